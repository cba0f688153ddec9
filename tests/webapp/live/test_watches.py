"""Lists that keep themselves up to date, whatever the API server does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.collect import Access
from grader.collect.lists import lists
from grader.model import Want
from tests.fakes.apiserver import status
from tests.fakes.watchserver import WatchServer, watching
from tests.webapp.live.conftest import CONFIGS, PODS, names, the, turn_until
from webapp.live.watches import Watches

Watch = Callable[..., Watches]


def test_what_is_there_and_what_comes_and_goes(server: WatchServer, watch: Watch) -> None:
    server.put("v1", "Pod", "b", "shop", metadata={"managedFields": [{}]})
    server.put("v1", "Pod", "elsewhere", "coast")
    watches = watch(PODS, CONFIGS)
    turn_until(watches, lambda: watches.complete)
    assert names(watches) == ["b"]
    before = watches.lists
    server.until(watches=2)
    server.put("v1", "Pod", "a", "shop", metadata={"managedFields": [{}]})
    turn_until(watches, lambda: names(watches) == ["a", "b"])
    # In the server's order, with a kind each, and without what nobody asked for.
    assert all(i["kind"] == "Pod" and "managedFields" not in i["metadata"] for i in the(watches, "Pod").items)
    # A list that did not change is the same object; one that did is another, and the old one is as it was.
    assert the(watches, "ConfigMap") in before
    assert len(before[1].items) == 1
    server.remove("v1", "Pod", "b", "shop")
    turn_until(watches, lambda: names(watches) == ["a"])
    assert len(server.seen("/pods")) == 1  # listed once


def test_a_watch_that_is_cut_goes_on_where_it_was(server: WatchServer, watch: Watch) -> None:
    watches = watch(PODS)
    turn_until(watches, lambda: server.watches)
    server.put("v1", "Pod", "a", "shop")
    turn_until(watches, lambda: names(watches) == ["a"])
    server.cut()
    server.put("v1", "Pod", "b", "shop")
    turn_until(watches, lambda: names(watches) == ["a", "b"])
    assert len(server.seen("/pods")) == 1
    assert watches.trouble is None


def test_a_bookmark_moves_the_place_and_changes_nothing(server: WatchServer, watch: Watch) -> None:
    watches = watch(PODS)
    turn_until(watches, lambda: server.watches)
    server.bookmark()
    known = the(watches, "Pod")
    turn_until(watches, lambda: watches._streams[0].version == str(server.version))
    assert the(watches, "Pod") is known
    # From the bookmark on, what is compacted is no loss.
    server.oldest = server.version
    server.cut()
    server.put("v1", "Pod", "a", "shop")
    turn_until(watches, lambda: names(watches) == ["a"])
    assert len(server.seen("/pods")) == 1


def test_a_place_that_is_forgotten_is_listed_again(server: WatchServer, watch: Watch) -> None:
    server.put("v1", "Pod", "a", "shop")
    watches = watch(PODS)
    turn_until(watches, lambda: server.watches)
    server.cut()
    server.until(watches=0)
    server.remove("v1", "Pod", "a", "shop")
    server.put("v1", "Pod", "b", "shop")
    server.compact()
    turn_until(watches, lambda: names(watches) == ["b"])
    turn_until(watches, lambda: server.watches)
    assert len(server.seen("/pods")) == 2


@pytest.mark.parametrize(
    "said",
    [
        b"5\r\nhello\r\n",
        b"8\r\n{not js}\r\n",
        b'd\r\n{"type": 1}\n\r\n',
        b"\x00\xff garbage",
        b'4\r\n"x"\n\r\n',
        b"3\r\n{}\n\r\n",
    ],
)
def test_garbage_is_taken_for_a_broken_watch(server: WatchServer, watch: Watch, said: bytes) -> None:
    watches = watch(PODS, CONFIGS)
    turn_until(watches, lambda: len(server.watches) == 2)
    server.say("/pods", said + b"1\r\n\n\r\n")
    turn_until(watches, lambda: len(server.begun) == 3)
    server.put("v1", "Pod", "a", "shop")
    turn_until(watches, lambda: names(watches) == ["a"])
    assert the(watches, "ConfigMap").error is None


def test_watches_that_end_at_once_are_opened_with_pauses(server: WatchServer, watch: Watch) -> None:
    server.stillborn = True
    times = [0.0]
    watches = watch(PODS)
    watches._clock = lambda: times[0]
    for _ in range(5000):
        times[0] += 0.01
        watches.turn(0.0)
    # In 50 seconds not more than once in three, after the first few.
    # Fewer where the server is slow, as this clock does not wait for it.
    assert 2 < len(server.begun) < 30
    assert "ends as soon as it is opened" in (watches.trouble or "")
    server.stillborn = False

    def well() -> bool:
        # One may still have been stillborn that was opened before; the pause after it ends as well.
        times[0] += 1
        return watches.trouble is None

    turn_until(watches, well)


def test_a_server_that_falls_silent_is_asked_anew(server: WatchServer, watch: Watch) -> None:
    times = [0.0]
    watches = watch(PODS, CONFIGS)
    watches._clock = lambda: times[0]
    turn_until(watches, lambda: len(server.watches) == 2 and all(one.sound for one in watches._streams))
    times[0] += 100
    server.put("v1", "Pod", "a", "shop")
    turn_until(watches, lambda: names(watches) == ["a"])
    # The one that spoke speaks for both.
    times[0] += 100
    watches.turn(0.0)
    watches.turn(0.0)
    assert len(server.begun) == 2
    times[0] += 100
    watches.turn(0.0)
    turn_until(watches, lambda: len(server.begun) == 4)
    assert watches.trouble is None


def test_a_dead_server_is_told_and_its_lists_stay(server: WatchServer, watch: Watch) -> None:
    server.put("v1", "Pod", "a", "shop")
    watches = watch(PODS, CONFIGS)
    turn_until(watches, lambda: len(server.watches) == 2)
    server.die()
    turn_until(watches, lambda: watches.trouble)
    assert names(watches) == ["a"]
    assert the(watches, "Pod").error is None


def test_a_server_that_fails_is_asked_again(server: WatchServer, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.collect.access.PAUSES", (0.01,))
    server.fault("/pods", *[status(500, "etcdserver: leader changed")] * 4)
    server.put("v1", "Pod", "a", "shop")
    watches = watch(PODS)
    watches.turn(0.0)
    assert "500" in (watches.trouble or "") and not watches.complete
    turn_until(watches, lambda: watches.trouble is None)
    assert names(watches) == ["a"]


def test_a_kind_that_is_not_served_may_come(server: WatchServer, watch: Watch) -> None:
    boat = Want("sea.example/v1", "Boat", "shop")
    times = [0.0]
    watches = watch(PODS, boat)
    watches._clock = lambda: times[0]
    turn_until(watches, lambda: watches.complete)
    assert the(watches, "Boat").served is False
    assert watches.trouble is None
    asked = len(server.seen("sea.example"))
    watches.turn(0.0)
    assert len(server.seen("sea.example")) == asked
    times[0] += 5
    watches.turn(0.0)
    assert len(server.seen("sea.example")) == asked + 1


def test_a_list_that_is_refused_says_so_and_hinders_no_other(server: WatchServer, watch: Watch) -> None:
    server.fault("/configmaps", status(403, 'configmaps is forbidden: User "ada"'), lasting=True)
    server.put("v1", "Pod", "a", "shop")
    watches = watch(PODS, CONFIGS)
    turn_until(watches, lambda: watches.complete)
    assert "forbidden" in (the(watches, "ConfigMap").error or "")
    assert names(watches) == ["a"] and watches.trouble is None


def test_a_turn_can_be_woken_also_when_it_is_over(watch: Watch, server: WatchServer) -> None:
    watches = watch(PODS)
    turn_until(watches, lambda: server.watches)
    threading.Timer(0.05, watches.wake).start()
    watches.turn(60)  # would outlast the test
    watches.close()
    watches.wake()


def test_closing_closes_every_connection(watch: Watch, server: WatchServer) -> None:
    watches = watch(PODS, CONFIGS)
    turn_until(watches, lambda: len(server.watches) == 2)
    watches.close()
    server.until(watches=0)


def test_more_than_one_turn_s_bytes_is_read_without_more_news(
    server: WatchServer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.live.watches.TURN_BYTES", 1)
    watches = watch(PODS)
    turn_until(watches, lambda: server.watches)
    for number in range(50):
        server.put("v1", "Pod", f"p{number:02}", "shop", data="x" * 5000)
    turn_until(watches, lambda: len(names(watches)) == 50)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.sampled_from(["shop", "coast"])),
        st.tuples(st.just("remove"), st.sampled_from("abc"), st.sampled_from(["shop", "coast"])),
        st.just(("cut",)),
        st.just(("compact",)),
        st.just(("bookmark",)),
        st.just(("turn",)),
    ),
    max_size=25,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_in_the_end_it_is_what_a_list_gives(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, ...]]
) -> None:
    with watching() as server:
        config = server.kubeconfig(tmp_path_factory.mktemp("config"))
        wants = [Want("v1", "Pod", "*"), CONFIGS]
        watches = Watches(Access.from_kubeconfig(config), wants)
        watches.turn(0.0)
        for step, *rest in steps:
            there = {(o["metadata"]["name"], o["metadata"].get("namespace")) for o in server.objects}
            if step == "put":
                server.put("v1", "Pod", *rest)
            elif step == "remove" and tuple(rest) in there:
                server.remove("v1", "Pod", *rest)
            elif step in ("cut", "compact", "bookmark"):
                getattr(server, step)()
            elif step == "turn":
                watches.turn(0.0)
        wanted = [one.items for one in lists(Access.from_kubeconfig(config), wants)]
        wanted = [sorted(items, key=lambda o: (o["metadata"]["namespace"], o["metadata"]["name"])) for items in wanted]
        turn_until(watches, lambda: [list(one.items) for one in watches.lists] == wanted)
        watches.close()
