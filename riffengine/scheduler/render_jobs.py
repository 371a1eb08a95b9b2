"""RenderJobs: the one job the renderer has in hand, how long such jobs take, and which loops will not render."""

from __future__ import annotations

from dataclasses import dataclass, replace

from riffengine.processes.render_messages import Alive, Cancel, Render
from riffengine.scheduler.actions import Policy
from riffengine.scheduler.morph_bank import BankKey
from riffengine.scheduler.render_plan import PlannedRender, RenderQuality
from riffengine.scheduler.render_times import RenderTimes
from riffengine.scheduler.source_tempo import RenderedMemory

_HANG_SHARE = 10.0  # of the p95 render time
_WORKS_SECONDS = 0.005  # of the processor between two signs of life: one alone takes a tenth of a millisecond
_LOSSES_BEFORE_BLAME = 5  # renderers that died over the same loop before the loop is given up


@dataclass
class Job:
    """A wish at the renderer, to be written into ``slot``. ``kept``: its dream is there, only the tempo is new."""

    number: int
    wish: PlannedRender
    slot: int
    sent_frame: int
    kept: bool = False
    cancelled: bool = False
    steps: int = 0  # done, by the last sign of life
    step_frame: int = 0  # when the last of them was seen, or the job was sent
    step_worked_seconds: float = 0.0  # of the processor, by then
    works_frame: int = 0  # when it was last seen at work
    worked_seconds: float = 0.0  # of the processor, by the last sign


@dataclass
class _Trouble:
    failures: int = 0
    losses: int = 0
    retry_beat: float = 0.0
    hopeless: bool = False  # trying again cannot help, nor can another seed


@dataclass
class JobCounts:
    """What became of the jobs so far."""

    started: int = 0
    delivered: int = 0
    heard: int = 0
    cancelled: int = 0
    failed: int = 0
    lost: int = 0


class RenderJobs:
    """One job in flight, plus those that are told to stop and have not answered yet."""

    def __init__(self, policy: Policy, sample_rate: int) -> None:
        self._policy = policy
        self._sample_rate = sample_rate
        self._times: dict[int, RenderTimes] = {}
        self._retimes = RenderTimes(policy.synthesis_prior_seconds)  # of a dream that is kept
        self._dreams = RenderedMemory()
        self._trouble: dict[tuple[str, int], _Trouble] = {}
        self._poison: set[tuple[str, int]] = set()  # those that failed too often, and another seed may not
        self._last_retry_beat = 0.0
        self._next_job = 1
        self._hangs = 0  # since the last delivery
        self.condemned = False  # the renderer hangs and is about to be ended
        self.ready = False
        self.jobs: dict[int, Job] = {}
        self.counts = JobCounts()

    @property
    def running(self) -> Job | None:
        """The job that is wanted, if there is one in flight."""
        return next((job for job in self.jobs.values() if not job.cancelled), None)

    def times(self, steps: int, quality: RenderQuality) -> RenderTimes:
        """The measured render times of jobs with ``steps`` steps."""
        if steps not in self._times:
            draft = steps <= quality.draft_steps
            self._times[steps] = RenderTimes(
                self._policy.draft_prior_seconds if draft else self._policy.full_prior_seconds
            )
        return self._times[steps]

    def remaining_seconds(self, frame: int, quality: RenderQuality) -> float:
        """What the running job still needs by the 95th percentile; at least 50 ms while there is one."""
        job = self.running
        if job is None:
            return 0.0
        elapsed = (frame - job.sent_frame) / self._sample_rate
        return max(0.05, self._times_of(job, quality).p95 - elapsed)

    def _times_of(self, job: Job, quality: RenderQuality) -> RenderTimes:
        return self._retimes if job.kept else self.times(job.wish.steps, quality)

    def launch_times(self, key: BankKey, alpha: float, quality: RenderQuality) -> RenderTimes:
        """How long the loop at ``alpha`` takes that a change waits for."""
        kept = self._dreams.steps(key, alpha) >= quality.first(key)
        return self._retimes if kept else self.times(quality.first(key), quality)

    def at_best(self, wish: PlannedRender, quality: RenderQuality) -> PlannedRender:
        """``wish`` as fine as its dream was dreamt before: a coarser one would cost more and sound worse."""
        steps = min(self._dreams.steps(wish.key, wish.alpha), quality.full_steps)
        return replace(wish, steps=steps) if steps > wish.steps else wish

    def alive(self, sign: Alive, frame: int) -> None:
        """The renderer is at a job, and says what it has cost."""
        job = self.jobs.get(sign.job)
        if job is None:
            return
        if sign.steps > job.steps:
            job.steps, job.step_frame, job.step_worked_seconds = sign.steps, frame, sign.worked_seconds
            job.works_frame = frame
        elif sign.worked_seconds - job.worked_seconds >= _WORKS_SECONDS:
            job.works_frame = frame
        job.worked_seconds = sign.worked_seconds

    def hanging(self, frame: int) -> Job | None:
        """A job over which its renderer hangs; told once for each renderer.

        It was not at work for too long, or has worked for too long without coming a step further.
        """
        job = next(iter(self.jobs.values()), None)
        if job is None or self.condemned or frame < self._hang_frame(job):
            return None
        self.condemned, self._hangs = True, self._hangs + 1
        return job

    def next_hang_frame(self) -> int | None:
        """When the oldest job will be taken for one that hangs."""
        job = next(iter(self.jobs.values()), None)
        return None if job is None or self.condemned else self._hang_frame(job)

    def _hang_frame(self, job: Job) -> int:
        # Doubled with each hang in a row: a machine that needs longer than this for any loop must get there once.
        patience = self._policy.hang_seconds * 2 ** min(self._hangs, 10)
        slowest = max((times.p95 for times in self._times.values()), default=0.0)
        seconds = float(max(patience, _HANG_SHARE * slowest))
        # By processor time: one that is starved by others is slow, and would be slow again after a new start.
        spent = job.worked_seconds - job.step_worked_seconds >= seconds
        return (job.step_frame if spent else job.works_frame) + round(seconds * self._sample_rate)

    def send(self, wish: PlannedRender, slot: int, frame: int, quality: RenderQuality) -> Render:
        """Take ``wish`` in hand. A draft is urgent: its phases do not wait for the ends of its bank."""
        kept = self._dreams.steps(wish.key, wish.alpha) == wish.steps
        job = Job(self._next_job, wish, slot, frame, kept, step_frame=frame, works_frame=frame)
        self._next_job += 1
        self.jobs[job.number] = job
        self.counts.started += 1
        return Render(job.number, wish.key.request(wish.alpha, wish.steps, wish.steps >= quality.full_steps), slot)

    def cancel(self, job: Job) -> Cancel:
        """Ask the renderer to stop; its slot stays taken until it answers."""
        job.cancelled = True
        return Cancel(job.number)

    def finished(self, number: int, frame: int, quality: RenderQuality) -> Job | None:
        """The job that was delivered, and its time learnt; ``None`` when it belongs to a renderer that is gone."""
        job = self.jobs.pop(number, None)
        if job is not None:
            self.counts.delivered += 1
            self._hangs, self.condemned = 0, False
            self._times_of(job, quality).add((frame - job.sent_frame) / self._sample_rate)
            self._dreams.learn(job.wish.key, job.wish.alpha, job.wish.steps)
            self._trouble.pop((job.wish.loop_id, job.wish.steps), None)
            self._poison.discard((job.wish.loop_id, job.wish.steps))
        return job

    def stopped(self, number: int) -> Job | None:
        """The job that was cancelled."""
        job = self.jobs.pop(number, None)
        if job is not None:
            self.counts.cancelled += 1
        return job

    def failed(self, number: int, beat: float, hopeless: bool = False) -> tuple[Job, bool] | None:
        """The job that failed and whether it is given up; otherwise it is retried after a musical pause."""
        job = self.jobs.pop(number, None)
        if job is None:
            return None
        self.counts.failed += 1
        self._dreams.forget(job.wish.key, job.wish.alpha)
        trouble = self._trouble.setdefault((job.wish.loop_id, job.wish.steps), _Trouble())
        trouble.failures += 1
        trouble.hopeless = hopeless
        trouble.retry_beat = beat + self._policy.retry_beats * 2 ** (trouble.failures - 1)
        self._last_retry_beat = max(self._last_retry_beat, trouble.retry_beat)
        self._weigh(job.wish)
        return job, self.refuses(job.wish)

    def lost(self) -> list[Job]:
        """Every job that went down with the renderer."""
        jobs, self.jobs = list(self.jobs.values()), {}
        self._dreams.forget()
        self.ready = self.condemned = False
        self.counts.lost += len(jobs)
        for job in jobs:
            if not job.cancelled:
                self._trouble.setdefault((job.wish.loop_id, job.wish.steps), _Trouble()).losses += 1
                self._weigh(job.wish)
        return jobs

    @property
    def troubled(self) -> bool:
        """Whether any loop has failed and not been rendered since."""
        return bool(self._trouble)

    @property
    def poison(self) -> bool:
        """Whether any loop is ``poisoned``."""
        return bool(self._poison)

    def refuses(self, wish: PlannedRender) -> bool:
        """Whether ``wish`` has failed too often, or could never succeed."""
        trouble = self._trouble.get((wish.loop_id, wish.steps))
        return trouble is not None and (trouble.hopeless or self._spent(trouble))

    def poisoned(self, loop_id: str, steps: int) -> bool:
        """Whether this loop has failed too often, so that another seed may be better."""
        return (loop_id, steps) in self._poison

    def _weigh(self, wish: PlannedRender) -> None:
        key = (wish.loop_id, wish.steps)
        trouble = self._trouble[key]
        if self._spent(trouble) and not trouble.hopeless:
            self._poison.add(key)
        else:
            self._poison.discard(key)

    def _spent(self, trouble: _Trouble) -> bool:
        return trouble.failures > self._policy.retries or trouble.losses >= _LOSSES_BEFORE_BLAME

    def must_wait(self, wish: PlannedRender, beat: float) -> bool:
        """Whether ``wish`` failed and its pause is not over."""
        trouble = self._trouble.get((wish.loop_id, wish.steps))
        return trouble is not None and beat < trouble.retry_beat

    def next_retry_beat(self, beat: float) -> float | None:
        """The first beat after ``beat`` on which a failed job may be tried again."""
        if beat >= self._last_retry_beat:
            return None
        return min((t.retry_beat for t in self._trouble.values() if t.retry_beat > beat), default=None)
