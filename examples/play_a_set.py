"""Play a set for some seconds without a sound device and record it: python examples/play_a_set.py set.flac"""

import sys
import time

import riffengine


def main(recording: str) -> None:
    with riffengine.play("first-sound", output="paced", record=recording) as performance:
        performance.on_landing(lambda landed: print(f"beat {landed.moment.beat:.2f}: {landed.path} is heard"))
        performance.wait_until_sounding()
        reply = performance.set("deck/a/prompt", "dub techno, deep")
        if isinstance(reply, riffengine.Rejected):
            raise SystemExit(reply.reason)
        assert reply.landing is not None
        print(f"will be heard on beat {reply.landing.beat:g}, in {reply.landing.seconds:.1f} s")
        performance.wait_for_landing(reply)
        performance.set("deck/a/filter", -0.4)  # heard at once
        time.sleep(2.0)


if __name__ == "__main__":  # the renderer and the player are processes that import this file
    main(sys.argv[1] if len(sys.argv) > 1 else "set.flac")
