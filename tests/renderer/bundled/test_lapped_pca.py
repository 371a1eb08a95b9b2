import torch

from riffengine.renderer.bundled.lapped_pca import LappedPca


def mels(count: int = 40) -> torch.Tensor:
    """Images of few independent patterns, so that few components hold all of them."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand(3, 6, generator=generator)
    return torch.rand(count, 32, 3, generator=generator) @ patterns


def test_enough_components_reconstruct_exactly() -> None:
    lapped = LappedPca(hop=4, bands=6, dims=24)
    images = mels()
    kept = lapped.fit(images, flatten=0.3)
    assert kept > 0.999
    assert torch.allclose(lapped.decode(lapped.encode(images)), images, atol=1e-3)


def test_latents_have_unit_power_and_turn_with_the_loop() -> None:
    lapped = LappedPca(hop=4, bands=6, dims=8)
    images = mels()
    lapped.fit(images)
    latents = lapped.encode(images)
    assert abs(float(latents.square().mean()) - 1.0) < 0.05
    assert torch.allclose(lapped.encode(images.roll(12, 1)), latents.roll(3, 1), atol=1e-4)


def test_a_changed_token_has_no_edge() -> None:
    lapped = LappedPca(hop=8, bands=6, dims=8)
    generator = torch.Generator().manual_seed(2)
    smooth = torch.rand(40, 4, 6, generator=generator).repeat_interleave(16, dim=1)
    lapped.fit(smooth)
    latents = lapped.encode(smooth[:1])
    changed = latents.clone()
    changed[0, 3] += 1.0
    change = (lapped.decode(changed) - lapped.decode(latents)).abs().sum(dim=2)[0]
    assert torch.all(change[: 3 * 8] < 1e-5)  # nothing outside its two 16ths
    assert torch.all(change[5 * 8 :] < 1e-5)
    inside = change[3 * 8 : 5 * 8]
    assert inside[0] < 0.2 * inside.max()  # fades in
    assert inside[-1] < 0.2 * inside.max()  # and out
