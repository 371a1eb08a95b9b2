"""Play a set from Python, without a sound device, and record it: python examples/play_a_set.py set.flac

The session is made here; ``riffengine.play("first-sound")`` plays a preset instead.
"""

import sys

import riffengine

SESSION = riffengine.Session(
    name="from Python",
    parameters={"deck/a/prompt": "lo-fi hip hop, warm", "deck/a/seed": 7, "transport/tempo": 84, "key": "D minor"},
)


def main(recording: str) -> None:
    with riffengine.play(SESSION, output="paced", record=recording) as performance:
        performance.on_landing(lambda landed: print(f"beat {landed.moment.beat:.2f}: {landed.path} is heard"))
        performance.wait_until_sounding()
        reply = performance.set("deck/a/prompt", "dub techno, deep")
        if isinstance(reply, riffengine.Rejected):
            raise SystemExit(reply.reason)
        if reply.landing is not None:
            print(f"will be heard on beat {reply.landing.beat:g}, in {reply.landing.seconds:.1f} s")
        performance.wait_for_landing(reply)
        performance.set("deck/a/filter", -0.4)  # heard at once
        performance.wait(2.0)
        observation = performance.observation
        assert observation is not None
        print(f"bar {observation.conductor.moment.beat / 4:.0f}, recording {observation.recording}")


if __name__ == "__main__":  # the renderer and the player are processes that import this file
    main(sys.argv[1] if len(sys.argv) > 1 else "set.flac")
