"""How flows that want more than a port has share it."""

from .clock import NEVER, TINY
from .flow import FILLED, WEIGHTS, Flow
from .memory import SIMULATED, MemoryTiming
from .work import READS_APART

__all__ = ["BETWEEN", "TURN", "give"]

TURN = 2  # cycles from one read that is asked for to the next
_IDLE = 3  # cycles from a burst's last written beat to the next one's first, in between
_NEXT = 1000.0  # share of what is next
BETWEEN = READS_APART + TURN  # cycles from a reader's request to its next, another's in between


def give(reads: list[Flow], writes: list[Flow], memory: MemoryTiming = SIMULATED) -> float:
    """Give flows what they want or, where that is more than there is, their shares; return the
    cycles for which these last."""
    to_read = sum([f.want for f in reads])
    to_write = sum([f.want for f in writes])
    bursts = sum([f.want / f.burst for f in reads])
    moving = reads + writes
    most = memory.capacity(_mean_burst(moving)) if moving else 1.0  # beats per cycle
    room = _room_to_write(writes, to_read, bursts, most)
    if to_write <= room and to_read + to_write <= most and bursts <= 1.0 / TURN:
        for flow in moving:
            if flow.want != flow.rate:
                flow.give(flow.want)
        return NEVER
    queued = _find_shares(moving, memory.outstanding)
    read = sum([f.share for f in reads]) / (sum([f.share / f.burst for f in reads]) or 1.0)
    # Bursts alternate where both ways want more than the port has.
    given = min(to_write, max(room, most * _alternate(read, writes)))
    _fill(writes, given)
    _fill(reads, min(most - given, to_read, read / TURN))
    if queued > memory.outstanding:
        return _crowd_lasts(moving, queued - memory.outstanding)
    return _shares_last(moving)


def _room_to_write(writes: list[Flow], to_read: float, bursts: float, most: float) -> float:
    """Of `most` beats per cycle, those that can be written at most beside so many that are read, in
    so many bursts: between written ones the port idles unless it reads meanwhile."""
    if not writes:
        return 0.0
    write = _mean_burst(writes)
    idle = _IDLE if len(writes) > 1 or writes[0].whole > writes[0].burst else 0
    return write / (write + idle) * (most - max(0.0, to_read - _IDLE * bursts))


def _alternate(read: float, writes: list[Flow]) -> float:
    """Beats per cycle that are written if each burst is followed by one of so many that are
    read."""
    if not read or not writes:
        return 0.0
    write = _mean_burst(writes)
    return write / (write + max(_IDLE, read))


def _mean_burst(flows: list[Flow]) -> float:
    return sum([f.burst for f in flows]) / len(flows)


def _find_shares(flows: list[Flow], outstanding: int) -> float:
    """Find the flows' shares of the port; return how many bursts they want under way.

    What a reader has asked for waits in one queue, so readers share by what they may have under
    way. What is asked for at once comes together. If the port cannot take it all, as many bursts
    of each wait in the queue, fewer of those that may not have as many. What consists of one burst
    has waited its turn before it came, and is next.
    """
    queued = established = 0.0
    fresh = []
    for flow in flows:
        left = flow.left_now()
        room = flow.room
        if flow.kind == WEIGHTS and len(flow.members) > 1:  # all who take part must have room
            room = min([x.fifos[WEIGHTS].under_way() for x in flow.members])
        flow.share = max(flow.burst, min(flow.whole if flow.work else left, room))
        queued += max(flow.burst, min(left, room)) / flow.burst
        if left > flow.fresh:
            fresh.append(flow)
        else:
            established += flow.share
    if queued > outstanding:
        places, rest = float(outstanding), len(flows)
        for flow in sorted(flows, key=_most_bursts):
            bursts = min(_most_bursts(flow), places / rest)
            places, rest = places - bursts, rest - 1
            flow.share = bursts * flow.burst
    else:
        for flow in fresh:
            flow.share = (established or 1.0) * flow.burst / BETWEEN
    for flow in flows:
        if flow.kind in FILLED and flow.work is not None and flow.work.beats <= flow.burst:
            flow.share = _NEXT
    return queued


def _most_bursts(flow: Flow) -> float:
    return max(1.0, flow.room / flow.burst)


def _crowd_lasts(flows: list[Flow], waiting: float) -> float:
    """Cycles, at least, until the port can take all that is asked for, so many bursts more."""
    return waiting / sum([f.rate / f.burst for f in flows])


def _shares_last(flows: list[Flow]) -> float:
    """Cycles until a flow is not fresh any more, or one of a program has less under way."""
    lasts = NEVER
    for flow in flows:
        left = flow.left_now()
        over = left - flow.fresh
        if over > 0:
            if over < lasts * flow.rate:
                lasts = over / flow.rate
        elif flow.work is None and left > flow.burst:
            return 0.0
    return lasts


def _fill(wanted: list[Flow], room: float) -> None:
    """Divide `room` by shares; nobody gets more than it can take."""
    while wanted:
        total = sum([f.share for f in wanted]) or 1.0
        level = room / total
        small = [f for f in wanted if f.want <= level * f.share + TINY]
        if not small:
            for f in wanted:
                rate = level * f.share
                if rate != f.rate:
                    f.give(rate)
            return
        for f in small:
            if f.want != f.rate:
                f.give(f.want)
            room = max(0.0, room - f.want)
        wanted = [f for f in wanted if f.want > level * f.share + TINY]
