"""RenderJobs: the jobs the renderer works on, how long such jobs take, and which loops cannot be rendered."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace

from riffengine.processes.render_messages import Alive, Cancel, Render
from riffengine.scheduler.actions import Policy
from riffengine.scheduler.morph_bank import BankKey, loop_id
from riffengine.scheduler.render_plan import PlannedRender, RenderQuality
from riffengine.scheduler.source_tempo import RenderedMemory

_WINDOW = 48  # renders; at 0.5 s each, what the machine did in the last half minute
_PRIOR_UNTIL = 6  # measured renders after which the prior is forgotten
_HANG_SHARE = 10.0  # of the p95 render time
_LATE_LOOK_SECONDS = 0.25  # the engine looks every 20 ms; who looks this late has stood still, and so has the renderer
_WORKS_SECONDS = 0.005  # of the processor between two heartbeats: a heartbeat alone takes 0.1 ms
_LOSSES_BEFORE_BLAME = 5  # renderers that died over the same loop before the loop is given up
_FAILED_KEPT = 256  # loops that failed, the newest: more than the banks of all decks have


@dataclass
class Job:
    """A planned render that was sent, to be written into ``slot``.

    ``retimed``: the renderer still has its mel; only the tempo is new.
    """

    number: int
    planned: PlannedRender
    slot: int
    sent_frame: int
    retimed: bool = False
    cancelled: bool = False
    steps: int = 0  # done, by the last heartbeat
    step_frame: int = 0  # when the last of them was seen, or the job was sent
    step_worked_seconds: float = 0.0  # of the processor, by then
    works_frame: int = 0  # when it was last seen at work
    worked_seconds: float = 0.0  # of the processor, by the last heartbeat


@dataclass
class _FailedRender:
    failures: int = 0
    losses: int = 0
    retry_beat: float = 0.0
    hopeless: bool = False  # trying again cannot help, nor can another seed
    reason: str = ""  # of the last failure


@dataclass
class JobCounts:
    """How many jobs ended in which way so far."""

    started: int = 0
    delivered: int = 0
    heard: int = 0
    cancelled: int = 0
    failed: int = 0
    lost: int = 0


class RenderTimes:
    """A sliding window of render times in seconds, with a prior until enough are known."""

    def __init__(self, prior_seconds: float) -> None:
        self._prior_seconds = prior_seconds
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._sorted: list[float] = [prior_seconds]
        self._p95 = prior_seconds  # asked for at every tick

    def add(self, seconds: float) -> None:
        """Learn one render time."""
        self._recent.append(seconds)
        known = list(self._recent)
        if len(known) < _PRIOR_UNTIL:
            known.append(self._prior_seconds)
        self._sorted = sorted(known)
        self._p95 = self._quantile(0.95)

    @property
    def measured(self) -> bool:
        """Whether any render was; before, the prior alone is known."""
        return bool(self._recent)

    @property
    def p50(self) -> float:
        """Median seconds."""
        return self._quantile(0.5)

    @property
    def p95(self) -> float:
        """Seconds that 95 of 100 renders do not exceed: what a landing is promised by."""
        return self._p95

    def _quantile(self, share: float) -> float:
        return self._sorted[max(0, math.ceil(share * len(self._sorted)) - 1)]


class RenderJobs:
    """The running jobs, at most one for each seat, and those that were cancelled and have not answered yet."""

    def __init__(self, policy: Policy, sample_rate: int) -> None:
        self._policy = policy
        self._sample_rate = sample_rate
        self._times: dict[int, RenderTimes] = {}
        self._retimes = RenderTimes(policy.synthesis_prior_seconds)  # of loops whose mel is kept
        self._rendered = RenderedMemory()
        self._failed_renders: dict[tuple[str, int], _FailedRender] = {}
        self._unrenderable: set[tuple[str, int]] = set()  # failed too often; another seed may do
        self._last_retry_beat = 0.0
        self._next_job = 1
        self._hangs = 0  # since the last delivery
        self.being_ended = False  # the renderer hangs and is about to be ended
        self.ready = False
        self.deserted = False  # it is a pool whose renderers are all away: what it is sent waits there
        self.seats = 1  # jobs that the renderer takes at the same time
        self.jobs: dict[int, Job] = {}
        self.counts = JobCounts()

    @property
    def running(self) -> list[Job]:
        """The jobs that run and are wanted, the oldest first."""
        return [job for job in self.jobs.values() if not job.cancelled]

    @property
    def at_work(self) -> bool:
        """Whether what is sent is rendered at once; otherwise it waits for a renderer, and no landing is known."""
        return self.ready and not self.deserted

    def begin(self, seats: int) -> None:
        """A renderer with ``seats`` has loaded its model."""
        self.ready = True
        self.staff(seats)

    def staff(self, seats: int) -> bool:
        """The renderer has ``seats`` now; with 0 it is a deserted pool. Whether it was one and is no more.

        A deserted pool is sent one job all the same: it may keep the loop.
        """
        back = self.deserted and seats > 0
        self.deserted, self.seats = seats == 0, max(1, seats)
        return back

    def times(self, steps: int, quality: RenderQuality) -> RenderTimes:
        """The measured render times of jobs with ``steps`` steps."""
        if steps not in self._times:
            draft = steps <= quality.draft_steps
            self._times[steps] = RenderTimes(
                self._policy.draft_prior_seconds if draft else self._policy.full_prior_seconds
            )
        return self._times[steps]

    def remaining_seconds(self, frame: int, quality: RenderQuality) -> float:
        """Until a seat is free, by the 95th percentile; at least 50 ms while there is none."""
        running = self.running
        if len(running) < self.seats:
            return 0.0
        return min(self.rest_seconds(job, frame, quality) for job in running)

    def rest_seconds(self, job: Job, frame: int, quality: RenderQuality) -> float:
        """What ``job`` still needs by the 95th percentile; at least 50 ms."""
        elapsed = (frame - job.sent_frame) / self._sample_rate
        return max(0.05, self._times_of(job, quality).p95 - elapsed)

    def _times_of(self, job: Job, quality: RenderQuality) -> RenderTimes:
        return self._retimes if job.retimed else self.times(job.planned.steps, quality)

    def launch_times(self, key: BankKey, alpha: float, quality: RenderQuality) -> RenderTimes:
        """How long the loop at ``alpha`` takes that a change waits for."""
        retimed = self._rendered.steps(key, alpha) >= quality.first(key)
        return self._retimes if retimed else self.times(quality.first(key), quality)

    def with_known_steps(self, planned: PlannedRender, quality: RenderQuality) -> PlannedRender:
        """``planned`` with the steps its mel was generated with before: fewer would cost more and sound worse."""
        steps = min(self._rendered.steps(planned.key, planned.alpha), quality.full_steps)
        return replace(planned, steps=steps) if steps > planned.steps else planned

    def heartbeat(self, sign: Alive, frame: int) -> None:
        """The renderer works on a job, and says what it has cost so far."""
        job = self.jobs.get(sign.job)
        if job is None:
            return
        if sign.queued:  # it hangs nowhere: its time begins when it is rendered
            job.works_frame = job.step_frame = frame
            job.step_worked_seconds = sign.worked_seconds
            if self.deserted:  # no loop is slow because nobody was there
                job.sent_frame = frame
        elif sign.steps > job.steps:
            job.steps, job.step_frame, job.step_worked_seconds = sign.steps, frame, sign.worked_seconds
            job.works_frame = frame
        elif sign.worked_seconds - job.worked_seconds >= _WORKS_SECONDS:
            job.works_frame = frame
        job.worked_seconds = sign.worked_seconds

    def hanging(self, frame: int) -> Job | None:
        """A job on which its renderer hangs; returned once for each renderer.

        It was not at work for too long, or has worked for too long without coming a step further. Where nobody looked
        when that time was over, as after a stop of the whole set, it begins again.
        """
        job = next(iter(self.jobs.values()), None)
        if job is None or self.being_ended or frame < self._hang_frame(job):
            return None
        late = frame - self._hang_frame(job) > _LATE_LOOK_SECONDS * self._sample_rate
        if late and not self._spent(job):
            job.works_frame = frame
            return None
        self.being_ended, self._hangs = True, self._hangs + 1
        return job

    def next_hang_frame(self) -> int | None:
        """When the oldest job will count as hanging."""
        job = next(iter(self.jobs.values()), None)
        return None if job is None or self.being_ended else self._hang_frame(job)

    def _hang_frame(self, job: Job) -> int:
        since = job.step_frame if self._spent(job) else job.works_frame
        return since + round(self._patience_seconds() * self._sample_rate)

    def _spent(self, job: Job) -> bool:
        """Whether it has worked for too long since its last step.

        By processor time: a process that gets too little of it is slow, and would be slow again after a restart.
        """
        return job.worked_seconds - job.step_worked_seconds >= self._patience_seconds()

    def _patience_seconds(self) -> float:
        # Doubled with each hang in a row: a machine that needs longer than this for any loop must get there once.
        patience = self._policy.hang_seconds * 2 ** min(self._hangs, 10)
        slowest = max((times.p95 for times in self._times.values()), default=0.0)
        return float(max(patience, _HANG_SHARE * slowest))

    def send(
        self,
        planned: PlannedRender,
        slot: int,
        frame: int,
        quality: RenderQuality,
        seconds_left: float | None = None,
        runway_seconds: float | None = None,
    ) -> Render:
        """Begin ``planned``, needed in ``seconds_left``. A draft is urgent: its phases wait for no others."""
        retimed = self._rendered.steps(planned.key, planned.alpha) == planned.steps
        job = Job(self._next_job, planned, slot, frame, retimed, step_frame=frame, works_frame=frame)
        self._next_job += 1
        self.jobs[job.number] = job
        self.counts.started += 1
        finished = planned.steps >= quality.full_steps
        request = planned.key.request(planned.alpha, planned.steps, finished)
        return Render(job.number, request, slot, seconds_left, loop_id(planned.key, 0.0), runway_seconds)

    def cancel(self, job: Job) -> Cancel:
        """Ask the renderer to stop; its slot stays taken until it answers."""
        job.cancelled = True
        return Cancel(job.number)

    def finished(self, number: int, frame: int, quality: RenderQuality) -> Job | None:
        """The job that was delivered; its time is learnt. ``None`` when it belongs to a renderer that has ended."""
        job = self.jobs.pop(number, None)
        if job is not None:
            self.counts.delivered += 1
            self._hangs, self.being_ended = 0, False
            self._times_of(job, quality).add((frame - job.sent_frame) / self._sample_rate)
            self._rendered.learn(job.planned.key, job.planned.alpha, job.planned.steps)
            self._failed_renders.pop((job.planned.loop_id, job.planned.steps), None)
            self._unrenderable.discard((job.planned.loop_id, job.planned.steps))
        return job

    def stopped(self, number: int) -> Job | None:
        """The job that was cancelled."""
        job = self.jobs.pop(number, None)
        if job is not None:
            self.counts.cancelled += 1
        return job

    def failed(self, number: int, beat: float, reason: str, hopeless: bool = False) -> tuple[Job, bool] | None:
        """The job that failed and whether it is given up; otherwise it is retried after a musical pause."""
        job = self.jobs.pop(number, None)
        if job is None:
            return None
        self.counts.failed += 1
        self._rendered.forget(job.planned.key, job.planned.alpha)
        render = self._failed_render(job.planned)
        render.failures += 1
        render.hopeless, render.reason = hopeless, reason
        render.retry_beat = beat + self._policy.retry_beats * 2 ** (render.failures - 1)
        self._last_retry_beat = max(self._last_retry_beat, render.retry_beat)
        self._judge(job.planned)
        return job, self.refuses(job.planned.loop_id, job.planned.steps)

    def lost(self) -> list[Job]:
        """Every job that ended with the renderer process."""
        jobs, self.jobs = list(self.jobs.values()), {}
        self._rendered.forget()
        self.ready = self.being_ended = False
        self.counts.lost += len(jobs)
        for job in jobs:
            if not job.cancelled:
                render = self._failed_render(job.planned)
                render.losses += 1
                render.reason = "the renderer crashed while rendering it"
                self._judge(job.planned)
        return jobs

    def _failed_render(self, planned: PlannedRender) -> _FailedRender:
        """The record of ``planned``, now the newest; the oldest is dropped when there are too many."""
        key = (planned.loop_id, planned.steps)
        render = self._failed_renders[key] = self._failed_renders.pop(key, _FailedRender())
        if len(self._failed_renders) > _FAILED_KEPT:
            oldest = next(iter(self._failed_renders))
            del self._failed_renders[oldest]
            self._unrenderable.discard(oldest)
        return render

    def forgive(self, loop_ids: Collection[str]) -> None:
        """These loops are asked for again: what failed or was given up before is tried as if for the first time.

        One over which renderers have died is tried once: each death costs every deck the loops it waits for.
        """
        for key in [key for key in self._failed_renders if key[0] in loop_ids]:
            losses = min(self._failed_renders[key].losses, _LOSSES_BEFORE_BLAME - 1)
            self._unrenderable.discard(key)
            if losses:
                self._failed_renders[key] = _FailedRender(losses=losses)
            else:
                del self._failed_renders[key]

    @property
    def troubled(self) -> bool:
        """Whether any loop has failed and not been rendered since."""
        return bool(self._failed_renders)

    @property
    def any_unrenderable(self) -> bool:
        """Whether any loop is ``unrenderable``."""
        return bool(self._unrenderable)

    def refuses(self, loop_id: str, steps: int) -> bool:
        """Whether this loop has failed too often, or could never succeed."""
        render = self._failed_renders.get((loop_id, steps))
        return render is not None and (render.hopeless or self._tried_enough(render))

    def failure_reason(self, loop_id: str, steps: int) -> str:
        """Why this loop failed the last time; empty where it did not."""
        render = self._failed_renders.get((loop_id, steps))
        return "" if render is None else render.reason

    def unrenderable(self, loop_id: str, steps: int) -> bool:
        """Whether this loop has failed too often, so that another seed may be better."""
        return (loop_id, steps) in self._unrenderable

    def _judge(self, planned: PlannedRender) -> None:
        key = (planned.loop_id, planned.steps)
        render = self._failed_renders[key]
        if self._tried_enough(render) and not render.hopeless:
            self._unrenderable.add(key)
        else:
            self._unrenderable.discard(key)

    def _tried_enough(self, render: _FailedRender) -> bool:
        return render.failures > self._policy.retries or render.losses >= _LOSSES_BEFORE_BLAME

    def must_wait(self, planned: PlannedRender, beat: float) -> bool:
        """Whether ``planned`` failed and its pause is not over."""
        render = self._failed_renders.get((planned.loop_id, planned.steps))
        return render is not None and beat < render.retry_beat

    def end_pauses(self) -> None:
        """The beat has jumped: pauses that are counted in beats are over, or they would last until it comes again."""
        for render in self._failed_renders.values():
            render.retry_beat = -math.inf
        self._last_retry_beat = -math.inf

    def next_retry_beat(self, beat: float) -> float | None:
        """The first beat after ``beat`` on which a failed job may be tried again."""
        if beat >= self._last_retry_beat:
            return None
        return min((t.retry_beat for t in self._failed_renders.values() if t.retry_beat > beat), default=None)
