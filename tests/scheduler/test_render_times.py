from riffengine.scheduler.render_jobs import RenderTimes


def test_the_prior_counts_until_enough_is_known():
    times = RenderTimes(2.0)
    for _ in range(4):
        times.add(0.5)
    assert times.p95 == 2.0
    for _ in range(2):
        times.add(0.5)
    assert times.p95 == 0.5


def test_the_window_forgets():
    times = RenderTimes(1.0)
    for _ in range(10):
        times.add(9.0)
    for _ in range(48):
        times.add(0.25)
    assert (times.p50, times.p95) == (0.25, 0.25)


def test_the_95th_percentile_by_nearest_rank():
    times = RenderTimes(1.0)
    for hundredths in range(1, 41):
        times.add(hundredths / 100)
    assert times.p95 == 0.38
    assert times.p50 == 0.2
