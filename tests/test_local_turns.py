"""Turns of threads in the embedded engine: nobody waits for ever, or is waited for in vain."""

from threading import Event, Thread

from dynamomq.drivers.local.turns import Turn


def test_who_has_waited_for_long_is_next() -> None:
    """Who gives the turn back and wants it again at once is behind those who lost patience."""
    turn, waits, has_it, may_end = Turn(), Event(), Event(), Event()

    def other() -> None:
        try:
            waits.set()
            turn.take(60)
            has_it.set()
            may_end.wait(60)
        finally:
            turn.give_back()

    thread = Thread(target=other)
    try:
        assert turn.take(0)
        thread.start()
        waits.wait(60)
        while not turn._impatient:
            pass  # it is about to lose patience
        turn.give_back()
        assert not turn.take(0)
        turn.give_back()
        assert has_it.wait(60)
        may_end.set()
        assert turn.take(60)
    finally:
        turn.give_back()
        thread.join()


def test_a_wait_that_is_given_up_leaves_the_turn_to_others() -> None:
    """Who waited in vain is not waited for."""
    turn = Turn()

    def waits_in_vain() -> bool:
        try:
            return turn.take(0.001)
        finally:
            turn.give_back()

    try:
        assert turn.take(0)
        thread = Thread(target=waits_in_vain)
        thread.start()
        thread.join()
        turn.give_back()
        assert turn.take(0)
    finally:
        turn.give_back()
