"""Faults of parts, of control and of the shell, which small benches find."""

from .mutant import Mutant

__all__ = ["CONTROL", "FABRIC", "PARTS", "SHELL"]

_PARTS, _TESTS = "hw/gateware/parts", "tests/hw/gateware"
_TABLES = f"{_TESTS}/compute/test_lookup.py"

PARTS = (
    Mutant("a credit is taken that is not there", f"{_PARTS}/credits.py",
           "self.some.eq(left != 1)", "self.some.eq(left != 0)",
           f"{_TESTS}/parts/test_credits.py"),
    Mutant("a credit that comes as one goes is lost", f"{_PARTS}/credits.py",
           "with m.If(take ^ give):", "with m.If(take | give):",
           f"{_TESTS}/parts/test_credits.py"),
    Mutant("a queue's end is one place too far", f"{_PARTS}/fifo.py",
           "produce.eq(Mux(produce == depth - 1, 0, produce + 1))",
           "produce.eq(Mux(produce == depth, 0, produce + 1))",
           f"{_TESTS}/parts/test_fifo.py::test_a_fifo_keeps_order_and_says_what_it_has"),
    Mutant("a queue is empty with one entry left", f"{_PARTS}/fifo.py",
           "some.eq(self.w_en | (level != 1))]", "some.eq(self.w_en | (level > 2))]",
           f"{_TESTS}/parts/test_fifo.py::test_a_fifo_keeps_order_and_says_what_it_has"),
    Mutant("a relay takes a third item", f"{_PARTS}/fifo.py",
           "self.i.ready.eq(~both), self.o.p", "self.i.ready.eq(1), self.o.p",
           f"{_TESTS}/parts/test_fifo.py::"
           "test_a_relay_holds_two_items_and_passes_one_in_every_cycle"),
    Mutant("a queue has room for one word less", f"{_PARTS}/queues.py",
           "room[u].eq(level != depth)", "room[u].eq(level != depth - 1)",
           f"{_TESTS}/parts/test_queues.py::test_queues_in_one_memory_keep_every_units_order"),
    Mutant("a queue goes on into its neighbour's part", f"{_PARTS}/queues.py",
           "m.d.sync += enter.eq(Mux(enter == last, first, enter + 1))",
           "m.d.sync += enter.eq(Mux(enter == last + 1, first, enter + 1))",
           f"{_TESTS}/parts/test_queues.py::test_queues_in_one_memory_keep_every_units_order"),
    Mutant("a half is rounded down", f"{_PARTS}/arith.py",
           "Cat(1, offset)", "Cat(0, offset)",
           f"{_TESTS}/parts/test_arith.py::test_requantisation_at_every_rounding_corner"),
    Mutant("what is beyond the limits saturates at the wrong end", f"{_PARTS}/arith.py",
           "limit = Cat((~sign).replicate(HALF_BITS - 1), sign)",
           "limit = Cat(sign.replicate(HALF_BITS - 1), sign)",
           f"{_TESTS}/parts/test_arith.py::test_requantisation_at_every_rounding_corner"),
    Mutant("a clamp takes what is far below for high", f"{_PARTS}/arith.py",
           "Mux(Mux(fits, high < small, ~negative), high, small)",
           "Mux(Mux(fits, high < small, negative), high, small)",
           f"{_TESTS}/parts/test_arith.py::test_requantisation_at_every_rounding_corner"),
    Mutant("a shift drops its last bit unseen", f"{_PARTS}/arith.py",
           "dropped = [x[kept - 1:] for x in shifted]", "dropped = [x[kept:] for x in shifted]",
           f"{_TESTS}/parts/test_arith.py::test_requantisation_at_every_rounding_corner"),
)

CONTROL = (
    Mutant("a token is taken twice", "hw/gateware/control/tokens.py",
           "self.there.eq(left & ~taken)", "self.there.eq(left)",
           f"{_TESTS}/control/test_tokens.py::test_tokens_are_taken_once_and_counted"),
    Mutant("a full counter of tokens overflows as one goes and one comes",
           "hw/gateware/control/tokens.py",
           "self.give[t] & ~self.take[t] & after.all()", "self.give[t] & after.all()",
           f"{_TESTS}/control/test_tokens.py::test_tokens_are_taken_once_and_counted"),
    Mutant("a fault while a run halts is another", "hw/gateware/control/runstate.py",
           "self.catches.eq(self.running & ~self.halting & ~self.start",
           "self.catches.eq(self.running & ~self.start",
           f"{_TESTS}/control/test_runstate.py::"
           "test_a_start_starts_and_a_fault_stops_whatever_else_comes"),
    Mutant("a start keeps the last run's error", "hw/gateware/control/runstate.py",
           "self.error.eq(0), self.code.eq(ErrorCode.NONE)]", "self.code.eq(ErrorCode.NONE)]",
           f"{_TESTS}/control/test_runstate.py::"
           "test_a_start_starts_and_a_fault_stops_whatever_else_comes"),
    Mutant("marks are lost when the queue is full but for one", "hw/gateware/control/marks.py",
           "Mux(level == self.DEPTH, 0,", "Mux(level == self.DEPTH - 1, 0,",
           f"{_TESTS}/control/test_marks.py::test_marks_of_one_unit_in_every_cycle_are_kept"),
    Mutant("a mark of the first unit overtakes", "hw/gateware/control/marks.py",
           "m.d.sync += before.eq(pending[v] & ~picked[v])", "m.d.sync += before.eq(0)",
           f"{_TESTS}/control/test_marks.py::test_no_mark_overtakes_one_that_came_before"),
    Mutant("a mark is lost and nobody told", "hw/gateware/control/marks.py",
           "(Cat(self.marks) & pending & ~picked).any()",
           "(Cat(self.marks) & pending & picked).any()",
           f"{_TESTS}/control/test_marks.py::test_none_is_lost_or_doubled_that_is_not_told"),
    Mutant("a new run keeps the marks of the last", "hw/gateware/control/marks.py",
           "for x in (pending, level, enter, leave, self.o.valid, self.lost)]",
           "for x in (pending, level, enter, leave, self.lost)]",
           f"{_TESTS}/control/test_marks.py::test_nothing_is_left_after_a_clear"),
    Mutant("a log entry holds cycles that came after its mark", "hw/gateware/control/counters.py",
           "Mux(value_layer, entry.layer, value - too_much)",
           "Mux(value_layer, entry.layer, value)",
           f"{_TESTS}/control/test_counters.py::"
           "test_counters_sum_to_the_total_and_log_every_mark"),
    Mutant("a count is cleared when its first cycle has been", "hw/gateware/control/counters.py",
           "total.eq(total + amount), cleared.bit_select(cause, 1).eq(0)]",
           "total.eq(total + amount)]",
           f"{_TESTS}/control/test_counters.py::"
           "test_counters_sum_to_the_total_and_log_every_mark"),
    Mutant("a field that must not be zero may be", "hw/gateware/control/sequencer.py",
           "Cat(found[name] != 1 for name in ALONE_LIVE).any()",
           "Cat(found[name] == 0 for name in ALONE_LIVE).any()",
           f"{_TESTS}/control/test_sequencer.py::"
           "test_live_inputs_are_of_one_pixel_and_one_output_block"),
    Mutant("a fence waits for nothing", "hw/gateware/control/sequencer.py",
           "ends | (fence & self.idle)", "ends | fence",
           f"{_TESTS}/control/test_sequencer.py::"
           "test_what_follows_a_fence_waits_until_all_is_idle"),
    Mutant("a fence is never over", "hw/gateware/control/sequencer.py",
           "ends | (fence & self.idle)", "ends",
           f"{_TESTS}/control/test_sequencer.py::"
           "test_what_follows_a_fence_waits_until_all_is_idle"),
    Mutant("a table's entry is the other bank's", "hw/gateware/compute/lookup.py",
           "self.column[:ceil_log2(columns)], self.bank)", "self.column[:ceil_log2(columns)], 0)",
           _TABLES),
    Mutant("a table's entry is another column's", "hw/gateware/compute/lookup.py",
           "value[part_bits:], self.column[:ceil_log2(columns)]",
           "value[part_bits:], 0 * self.column[:ceil_log2(columns)]", _TABLES),
    Mutant("a table's entry is the next value's", "hw/gateware/compute/lookup.py",
           "m.d.sync += part.eq(value)", "m.d.comb += part.eq(value)", _TABLES),
)

_TRAFFIC = f"{_TESTS}/shell/test_fabric_traffic.py"
_READS = f"{_TRAFFIC}::" \
    "test_every_beat_comes_to_whom_it_is_for_and_a_multicast_is_asked_for_once"
_WRITES = f"{_TRAFFIC}::test_every_acknowledgement_is_of_ones_own_burst"

FABRIC = (
    Mutant("each member of a multicast asks", "hw/gateware/shell/fabric.py",
           "leads = ~mask[:i].any() if i else Const(1)", "leads = Const(1)", _READS),
    Mutant("a multicast does not wait for all its members", "hw/gateware/shell/fabric.py",
           "met = (mask & ~names) == 0", "met = (mask & names).any()", _READS),
    Mutant("a multicast goes to who waits for another", "hw/gateware/shell/fabric.py",
           "met = (mask & ~names) == 0", "met = (mask & ~Cat(s.valid for s in streams)) == 0",
           f"{_TESTS}/shell/test_fabric.py::"
           "test_masks_may_overlap_where_members_come_in_the_same_order"),
    Mutant("a multicast goes to who asked alone", "hw/gateware/shell/fabric.py",
           "members.eq(mask | (1 << i)),", "members.eq(1 << i),", _READS),
    Mutant("a burst's second beat is another's", "hw/gateware/shell/fabric.py",
           "routes.r_en.eq(arrives & last),", "routes.r_en.eq(arrives),", _READS),
    Mutant("a read's error is the response's other bit", "hw/gateware/shell/fabric.py",
           "ret_error.eq(axi.rresp[1]),", "ret_error.eq(axi.rresp[0]),", _READS),
    Mutant("a request is taken again before its instance is told", "hw/gateware/shell/fabric.py",
           "masked.eq(Mux(turn.serves, claimed, 0) | held_turn",
           "masked.eq(held_turn", _READS),
    Mutant("an acknowledgement is every writer's", "hw/gateware/shell/fabric.py",
           "axi.bvalid & axi.bready & acks.r_data[i]", "axi.bvalid & axi.bready", _WRITES),
    Mutant("a write burst ends a beat early", "hw/gateware/shell/fabric.py",
           "last.eq(left == 1),", "last.eq(left <= 2),", _WRITES),
    Mutant("beats are another instance's", "hw/gateware/shell/fabric.py",
           "sending & source[i] & beats.w_rdy", "sending & beats.w_rdy", _WRITES),
    Mutant("a read goes on for who has stopped", "hw/gateware/shell/fabric.py",
           "living.eq(held.members & self._live)", "living.eq(held.members)",
           f"{_TESTS}/shell/test_fabric.py::"
           "test_a_read_is_asked_for_if_one_that_it_is_for_is_told_of_it"),
)

SHELL = (
    Mutant("who dozes misses the cycle of its event", "hw/gateware/shell/doze.py",
           "self.wake[i].eq(self.events[i] | self.stir | slept.all())",
           "self.wake[i].eq(self.stir | slept.all())",
           f"{_TESTS}/shell/test_doze.py"),
    Mutant("who sleeps long loses all that counted", "hw/gateware/shell/doze.py",
           "self.events[i] | self.stir | slept.all()", "self.events[i] | self.stir",
           f"{_TESTS}/shell/test_doze.py"),
    Mutant("sleep of the last time counts again", "hw/gateware/shell/doze.py",
           "with m.Elif(slept.any()):", "with m.Elif(slept.all()):",
           f"{_TESTS}/shell/test_doze.py"),
    Mutant("who leaves a barrier is at the next at once", "hw/gateware/shell/barrier.py",
           "self.arrive & ~release & ~self.release", "self.arrive & ~release",
           f"{_TESTS}/shell/test_barrier.py"),
    Mutant("a barrier waits for the dead", "hw/gateware/shell/barrier.py",
           "present = arrived | ~alive", "present = arrived", f"{_TESTS}/shell/test_barrier.py"),
    Mutant("who had the turn keeps it", "hw/gateware/shell/turns.py",
           "after.eq(~((self.picked - 1) | self.picked))", "after.eq(~(self.picked - 1))",
           f"{_TESTS}/shell/test_turns.py::test_round_robin_serves_everyone_in_turn"),
    Mutant("a turn outlasts the run", "hw/gateware/shell/turns.py",
           "with m.If(self.clear):", "with m.If(self.clear & some):",
           f"{_TESTS}/shell/test_turns.py::"
           "test_a_cleared_round_robin_begins_with_the_first_again"),
    Mutant("the watchdog never bites", "hw/gateware/shell/watchdog.py",
           "Mux(self.barks, 0, lately)", "lately",
           f"{_TESTS}/shell/test_watchdog.py::"
           "test_who_moves_no_more_hangs_within_twice_the_cycles"),
    Mutant("the watchdog spares those who wait for each other", "hw/gateware/shell/watchdog.py",
           "~(self.waits & lately.any().replicate(self._count))", "~self.waits",
           f"{_TESTS}/shell/test_watchdog.py::test_a_circle_ends_whenever_it_closes"),
    Mutant("the watchdog bites who has moved", "hw/gateware/shell/watchdog.py",
           "Mux(self.barks, self.running & ~lately, 0)", "Mux(self.barks, self.running, 0)",
           f"{_TESTS}/shell/test_watchdog.py::test_nobody_hangs_who_moves_once_between_two_barks"),
    Mutant("a new limit of the watchdog waits for the old", "hw/gateware/shell/watchdog.py",
           "begins = self.starts.any() | self.winds", "begins = self.starts.any()",
           f"{_TESTS}/shell/test_watchdog.py::test_a_written_register_counts_from_the_write[5]"),
    Mutant("a register is written by some of its bytes", "hw/gateware/shell/registers.py",
           "whole = bus.wstrb.all()", "whole = bus.wstrb.any()",
           f"{_TESTS}/shell/test_register_map.py::"
           "test_every_register_by_every_strobe[microcoded, 20 bits]"),
    Mutant("a register of a running instance can be written", "hw/gateware/shell/registers.py",
           'with m.If(~going | int(name == "LOG_SELECT")):', "with m.If(1):",
           f"{_TESTS}/shell/test_register_map.py::"
           "test_a_start_keeps_what_it_found_until_the_run_ends[microcoded, 20 bits]"),
    Mutant("a window beyond the memory is cut to its bits", "hw/gateware/shell/registers.py",
           "word = word | word[bits.stop:].any().replicate(len(word))", "word = word | 0",
           f"{_TESTS}/shell/test_register_map.py::"
           "test_every_register_by_every_strobe[microcoded, 20 bits]"),
    Mutant("a register that is not there answers", "hw/gateware/shell/registers.py",
           "read.one_hot.any() & is_own, is_common", "is_own, is_common",
           f"{_TESTS}/shell/test_register_map.py::"
           "test_between_and_behind_the_registers_is_nothing[pipelined, 25 bits]"),
    Mutant("cycles begin anew and it is not told", "hw/gateware/shell/runs.py",
           "wrapped.eq(wrapped | cycles.all())", "wrapped.eq(cycles.all())",
           f"{_TESTS}/shell/test_register_map.py::"
           "test_counters_that_have_begun_anew_say_so"),
)
