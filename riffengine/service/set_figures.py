"""The figures of several sets on one page: every metric of each with the label ``set``; memory by process tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from riffengine.service.metrics import PREFIX

_LABEL = "set"


def families_of_set(name: str, text: str) -> list[Metric]:
    """The metrics in ``text`` (Prometheus' text format) labelled as of the set ``name``; ``ValueError``: it is none."""
    families = list(text_string_to_metric_families(text))
    for family in families:
        family.samples = [sample._replace(labels={_LABEL: name, **sample.labels}) for sample in family.samples]
    return families


def merged(sets: Iterable[Iterable[Metric]]) -> list[Metric]:
    """The metrics of all ``sets``, each once with the samples of all."""
    families: dict[str, Metric] = {}
    for family in (family for families_of_one in sets for family in families_of_one):
        known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        known.samples += family.samples
    return list(families.values())


def memory_metric(trees: Mapping[str, int]) -> Metric:
    """The memory of each set, by the process id it runs under."""
    metric = GaugeMetricFamily(
        f"{PREFIX}_set_memory_bytes", "Memory of the processes of a set; shared pages are shared out", labels=[_LABEL]
    )
    for name, pid in trees.items():
        metric.add_metric([name], tree_bytes(pid))
    return metric


def tree_bytes(pid: int) -> int:
    """Proportional memory (PSS) of process ``pid`` and of all that it has started; 0 when it has ended.

    Linux alone: elsewhere there is no such file, and 0 is returned.
    """
    folder = Path(f"/proc/{pid}")
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()
        own = sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        children = [
            int(child) for task in (folder / "task").iterdir() for child in (task / "children").read_text().split()
        ]
    except (OSError, ValueError, IndexError):
        return 0
    return own + sum(tree_bytes(child) for child in children)
