"""LruCache: bounded, and the entry used longest ago is dropped first."""

from riffengine.renderer.cache import LruCache


def test_the_entry_used_longest_ago_is_dropped() -> None:
    cache: LruCache[str, int] = LruCache(2)
    assert cache.put("a", 1) == 1
    cache.put("b", 2)
    assert cache.get("a") == 1  # now "b" was used longest ago
    cache.put("c", 3)
    assert cache.get("b") is None and cache.get("a") == 1 and cache.get("c") == 3
    assert "a" in cache and "b" not in cache and len(cache) == 2


def test_storing_a_key_again_replaces_its_value() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    cache.put("c", 4)
    assert cache.get("a") == 3 and "b" not in cache
    cache.clear()
    assert len(cache) == 0
