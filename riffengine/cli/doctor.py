"""``doctor``: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from riffengine.cli.arguments import add_json_argument, print_json, show
from riffengine.cli.verb import Verb


def _doctor(arguments: argparse.Namespace) -> int:
    """Check the installation; status 1 when not even the paced output could play."""
    from riffengine.doctor import examine, observe, playable

    findings = examine(observe())
    status = 0 if playable(findings) else 1
    if arguments.json:
        print_json({"playable": playable(findings), "findings": [asdict(finding) for finding in findings]})
        return status
    for finding in findings:
        show(f"{finding.state:8}{finding.topic:20}{finding.found}")
        if finding.state != "ok":
            show(f"{'':8}{'':20}{finding.meaning}")
            if finding.remedy:
                show(f"{'':8}{'':20}→ {finding.remedy}")
    show()
    show("Ready to play." if playable(findings) else "Not ready: see what is missing above.")
    return status


DOCTOR = Verb("check what is installed and what is missing, and say what to do", _doctor, add_json_argument)
