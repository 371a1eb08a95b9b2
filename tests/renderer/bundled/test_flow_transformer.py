import itertools
from dataclasses import replace

import pytest
import torch

from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer, euler, flow_times
from riffengine.renderer.bundled.stages import Condition, guided_velocity

SHAPE = FlowShape(channels=12, context=7, words=5, width=64, depth=2, heads=2)


@pytest.fixture
def net() -> FlowTransformer:
    torch.manual_seed(0)
    net = FlowTransformer(SHAPE)
    for parameter in net.parameters():  # the zero-initialised gates would hide everything behind them
        parameter.data.normal_(0, 0.1)
    return net.eval().requires_grad_(False)


def inputs(tokens: int = 32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "x": torch.randn(2, tokens, 12, generator=generator),
        "t": torch.tensor([0.3, 0.7]),
        "scalars": torch.randn(2, 2, generator=generator),
        "context": torch.randn(2, tokens, 7, generator=generator),
    }


def test_a_loop_may_begin_on_any_bar(net: FlowTransformer) -> None:
    given = inputs()
    text = net.embed_words(torch.eye(5)[:2])
    turned = {**given, "x": given["x"].roll(16, 1), "context": given["context"].roll(16, 1)}
    straight = net(text=text, **given)
    assert torch.allclose(net(text=text, **turned), straight.roll(16, 1), atol=1e-5)
    # and the beat is not lost: a turn by less than a bar is another loop
    off_beat = {**given, "x": given["x"].roll(3, 1), "context": given["context"].roll(3, 1)}
    assert not torch.allclose(net(text=text, **off_beat), straight.roll(3, 1), atol=1e-2)


def test_other_lengths_in_whole_bars(net: FlowTransformer) -> None:
    for tokens in (16, 64):
        given = inputs(tokens)
        assert net(text=net.embed_words(torch.zeros(2, 5)), **given).shape == (2, tokens, 12)


def test_no_prompt_is_not_a_weightless_prompt(net: FlowTransformer) -> None:
    empty = net.embed_words(torch.zeros(1, 5))
    assert torch.equal(empty[0], net.word_vectors[-1])
    blend = net.embed_words(torch.tensor([[0.5, 0.5, 0, 0, 0]]))
    ends = net.embed_words(torch.eye(5)[:2])
    assert torch.allclose(blend[0], ends.mean(dim=0), atol=1e-6)


def test_euler_walks_a_straight_flow_exactly() -> None:
    noise, target = torch.randn(1, 4, 3), torch.randn(1, 4, 3)
    *_, end = euler(lambda x, t: noise - target, noise, steps=5)
    assert torch.allclose(end, target, atol=1e-5)


def test_img2img_begins_on_the_line_between_init_and_noise() -> None:
    noise, init = torch.ones(1, 1, 1), torch.zeros(1, 1, 1)
    first = next(euler(lambda x, t: torch.zeros_like(x), noise, 4, init, strength=0.25))
    assert first.item() == pytest.approx(0.25)
    kept = list(euler(lambda x, t: torch.ones_like(x), noise, 4, init, strength=0.0))[-1]
    assert kept.item() == 0.0


def test_flow_times_fall_to_zero_and_shift_keeps_the_ends() -> None:
    for shift, start in itertools.product((0.5, 1.0, 3.0), (1.0, 0.4)):
        times = flow_times(8, start, shift)
        assert times[0] == pytest.approx(start)
        assert times[-1] == 0.0
        assert all(a > b for a, b in itertools.pairwise(times))
    assert flow_times(8, 1.0, 3.0)[4] > 0.5 > flow_times(8, 1.0, 0.5)[4]


def test_guidance_one_is_the_condition_alone_and_two_goes_beyond(net: FlowTransformer) -> None:
    given = {key: value[:1] for key, value in inputs().items()}
    text, empty = net.embed_words(torch.eye(5)[:1]), net.embed_words(torch.zeros(1, 5))

    context, untold = given["context"], torch.zeros_like(given["context"])
    middle = torch.zeros_like(given["scalars"])

    def at(guidance: float) -> torch.Tensor:
        velocity = guided_velocity(
            net, Condition(text, given["scalars"], context), Condition(empty, middle, untold), guidance
        )
        return velocity(given["x"], given["t"])

    toward = net(given["x"], given["t"], text, given["scalars"], context)
    away = net(given["x"], given["t"], empty, middle, untold)
    assert torch.allclose(at(1.0), toward, atol=1e-5)
    assert torch.allclose(at(2.0), 2 * toward - away, atol=1e-5)


def test_a_guided_network_needs_one_pass_unless_there_is_a_negative_prompt(net: FlowTransformer) -> None:
    guided = FlowTransformer(replace(net.shape, guided=True))
    guided.load_state_dict(net.state_dict(), strict=False)
    given = {key: value[:1] for key, value in inputs().items()}
    text, empty = guided.embed_words(torch.eye(5)[:1]), guided.embed_words(torch.zeros(1, 5))
    condition, neutral = Condition(text, given["scalars"], given["context"]), Condition(empty, given["scalars"] * 0)
    calls = []
    guided.register_forward_hook(lambda *call: calls.append(call))

    def at(guidance: float, neutral_prompt: bool) -> torch.Tensor:
        away = replace(neutral, context=torch.zeros_like(given["context"]))
        velocity = guided_velocity(guided, condition, away, guidance, neutral_prompt)
        return velocity(given["x"], given["t"])

    before = net(given["x"], given["t"], text, given["scalars"], given["context"])
    torch.testing.assert_close(at(3.0, True), before)  # it has not learnt what guidance does
    with torch.no_grad():
        guided.guidance[-1].weight.normal_(generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(at(3.0, True), before)
    assert all(len(result) == 1 for _, _, result in calls)
    at(3.0, False)  # a negative prompt is led away from as by any network
    assert len(calls[-1][2]) == 2
