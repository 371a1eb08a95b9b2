"""A renderer with several seats: as many jobs at once, the most urgent, each loop once, each in its own slot."""

from riffengine.performance.command import Command
from riffengine.performance.parameters import standard_tree
from riffengine.processes.render_messages import Cancel, Cancelled, Delivery, Ready, Render, RenderCost, SeatsChanged
from riffengine.scheduler.actions import ToRendererMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.beat_grid import BeatGrid

RATE = 1000
DECKS = ("a", "b")
SET = {"deck/a/prompt": "house", "deck/a/to": "techno", "deck/b/prompt": "bass", "deck/b/to": "piano"}


class Seats:
    """A conductor whose renderer has ``seats``; jobs stay open until they are finished by hand."""

    def __init__(self, seats):
        tree = standard_tree(DECKS, ("mix",))
        state = tree.initial_state()
        for path, value in SET.items():
            state, _ = tree.apply(state, Command(path, value))
        self.conductor = Conductor(tree, state, BeatGrid(RATE, 120.0), DECKS, 48)
        self.open, self.frame = {}, 0
        self.take(self.conductor.start(0))
        self.take(self.conductor.renderer_ready(0, Ready("scripted", ("mix",), 1, (), 0.0, "", seats)))

    def take(self, actions):
        for action in actions:
            if isinstance(action, ToRendererMessage):
                message = action.message
                if isinstance(message, Render):
                    self.open[message.job] = message
                else:
                    assert isinstance(message, Cancel)
                    self.take(self.conductor.cancelled(self.frame, Cancelled(message.job)))
                    del self.open[message.job]

    def deliver(self, job):
        render = self.open.pop(job)
        self.frame += 100
        shape = (job, render.slot, render.request, 4000, 1, ("mix",), -14.0, 0.5, RenderCost())
        self.take(self.conductor.delivered(self.frame, Delivery(*shape)))
        for _ in range(40):  # two bars, so that what is finished is launched
            self.frame += 100
            self.take(self.conductor.tick(self.frame))

    def submit(self, path, value):
        self.frame += 100
        self.take(self.conductor.submit(Command(path, value, "test"), self.frame)[1])


def test_each_seat_has_a_job_of_its_own_with_a_deadline_where_a_deck_waits():
    seats = Seats(3)
    assert {render.request.start.prompt for render in seats.open.values()} == {"house", "bass"}
    assert all(render.seconds_left is not None for render in seats.open.values())
    most = 0
    while seats.open:
        seats.deliver(min(seats.open))
        most = max(most, len(seats.open))
        assert len({render.request.loop_id() for render in seats.open.values()}) == len(seats.open) <= 3
        assert len({render.slot for render in seats.open.values()}) == len(seats.open)
    assert most == 3
    assert seats.conductor.status(seats.frame).jobs_delivered >= 2 * 9


def test_seats_that_come_are_used_at_once_and_those_that_go_are_not_filled_again():
    seats = playing(1)
    assert len(seats.open) == 1
    seats.take(seats.conductor.seats_changed(seats.frame, SeatsChanged(4, "two machines more")))
    assert len(seats.open) == 4
    seats.take(seats.conductor.seats_changed(seats.frame, SeatsChanged(1)))
    for left in (3, 2, 1, 1, 1):
        seats.deliver(min(seats.open))
        assert len(seats.open) == left


def test_a_change_takes_the_seat_of_what_nobody_waits_for():
    seats = playing(2)
    assert len(seats.open) == 2
    seats.submit("deck/a/prompt", "acid")
    assert "acid" in {render.request.start.prompt for render in seats.open.values()}
    assert len(seats.open) == 2


def playing(number):
    """Both decks sound, and nobody waits for what is rendered."""
    seats = Seats(number)
    while any(render.seconds_left is not None for render in seats.open.values()):
        seats.deliver(min(seats.open))
    return seats
