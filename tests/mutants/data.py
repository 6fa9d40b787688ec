"""Faults of what moves and computes data, and of what joins it to an instance."""

from .mutant import Mutant

__all__ = ["COMPUTE", "INSTANCE", "TRAFFIC"]

_TESTS = "tests/hw/gateware"
_BLOCK = "tests/cocotb/test_blocks.py::test_a_block_alone"
_ERRORS = "tests/sim/test_errors.py::" \
    "test_the_instance_stops_with_a_code_and_the_other_finishes"

TRAFFIC = (
    Mutant("a window ends a byte later", "hw/gateware/traffic/gates.py",
           "return window_bytes < end", "return window_bytes + 1 < end",
           f"{_TESTS}/traffic/test_gates.py::"
           "test_a_burst_passes_if_all_of_it_is_in_the_window"),
    Mutant("a burst is in the window if its first byte is", "hw/gateware/traffic/gates.py",
           "end = request.addr + (request.beats << ceil_log2(config.port.bytes))",
           "end = request.addr + 1",
           f"{_TESTS}/traffic/test_gates.py::"
           "test_a_burst_passes_if_all_of_it_is_in_the_window"),
    Mutant("a window check drops the offset's highest bit", "hw/gateware/traffic/gates.py",
           "return window_bytes < end", "return window_bytes < end[:len(window_bytes) - 1]",
           f"{_TESTS}/traffic/test_gates.py::"
           "test_a_burst_passes_if_all_of_it_is_in_the_window"),
    Mutant("a halted instance writes what is under way", "hw/gateware/traffic/gates.py",
           "Mux(self.halt, 0, self.i_data.payload.strb)", "self.i_data.payload.strb",
           f"{_TESTS}/traffic/test_gates.py::"
           "test_what_is_owed_at_a_halt_comes_with_no_strobe_and_nothing_else"),
    Mutant("a halted instance owes its beats for ever", "hw/gateware/traffic/gates.py",
           "owes & (self.i_data.valid | self.halt)", "owes & self.i_data.valid",
           f"{_TESTS}/traffic/test_gates.py::"
           "test_what_is_owed_at_a_halt_comes_with_no_strobe_and_nothing_else"),
    Mutant("a halted instance still asks to write", "hw/gateware/traffic/gates.py",
           "with m.If(self.i.valid & self.i.ready & ~self.halt):",
           "with m.If(self.i.valid & self.i.ready):",
           f"{_TESTS}/traffic/test_gates.py::"
           "test_what_is_owed_at_a_halt_comes_with_no_strobe_and_nothing_else"),
    Mutant("the load unit writes through post-processing", "hw/gateware/traffic/actmem.py",
           "self.load.ready.eq(~(self.post.valid & (post_bank == load_bank)))",
           "self.load.ready.eq(1)",
           f"{_TESTS}/traffic/test_actmem.py"),
    Mutant("a write beyond the memory lands in it", "hw/gateware/traffic/actmem.py",
           "(load_bank == b) & ~beyond(config, self.load.addr)", "(load_bank == b)",
           f"{_TESTS}/traffic/test_actmem.py"),
    Mutant("a program is read ahead beyond its room", "hw/gateware/control/fetch.py",
           "asks.eq(running & ~self.stop & (space >= burst))",
           "asks.eq(running & ~self.stop & space.any())",
           f"{_TESTS}/control/test_fetch.py"),
    Mutant("the storer sends and does not tell", "hw/gateware/traffic/storer.py",
           "x.advances for x in (words.queue, beats, requests, bursts)).any()",
           "x.advances for x in (words.queue, requests, bursts)).any()",
           f"{_TESTS}/traffic/test_advances.py::test_the_store_unit_tells_while_it_packs"),
    Mutant("a row of weights beyond all memory lies at its begin", "hw/gateware/traffic/weights.py",
           "Cat(place[:len(table)], place[len(table):].any())", "place[:len(table)]",
           f"{_TESTS}/traffic/test_offsets.py::"
           "test_a_row_of_weights_lies_where_its_input_says_or_beyond"),
    Mutant("a beat's rest is taken for the next run's", "hw/gateware/traffic/loader.py",
           "(last_word | (offset == words - 1 if words > 1 else 1))",
           "(offset == words - 1 if words > 1 else 1)", f"{_BLOCK}[loader]"),
    Mutant("of a word's beats the last alone can be spoilt", "hw/gateware/traffic/loader.py",
           "                before | beats.r_data[-1])", "                beats.r_data[-1])",
           f"{_TESTS}/traffic/test_loader.py::test_the_first_spoilt_word_stops_all_after_it"),
    Mutant("a spoilt word is written", "hw/gateware/traffic/loader.py",
           "self.acts.valid.eq(relay.o.valid & ~out.spoilt)", "self.acts.valid.eq(relay.o.valid)",
           f"{_TESTS}/traffic/test_loader.py::test_the_first_spoilt_word_stops_all_after_it"),
    Mutant("a barrier passes loads that wait", "hw/gateware/traffic/loader.py",
           "idle.eq(~loading & ~queue.any)", "idle.eq(~loading)", f"{_BLOCK}[loader]"),
    Mutant("strobes of the beat before stay", "hw/gateware/traffic/storer.py",
           "m.d.sync += [beat.eq(0), strobes.eq(0)]", "m.d.sync += beat.eq(0)",
           f"{_BLOCK}[storer]"),
    Mutant("a write burst crosses its boundary", "hw/gateware/traffic/storer.py",
           "burst_end.eq(words.info.run_end | words.at_end), words.queue.r_en.eq(step),",
           "burst_end.eq(words.info.run_end), words.queue.r_en.eq(step),", f"{_BLOCK}[storer]"),
    Mutant("a store is done with its first acknowledgement", "hw/gateware/traffic/storer.py",
           "acknowledged & bursts.r_data[0]", "acknowledged", f"{_BLOCK}[storer]"),
    Mutant("a read burst crosses its boundary", "hw/gateware/traffic/bursts.py",
           "room.eq(burst - index)]", "room.eq(burst)]", f"{_BLOCK}[loader]"),
    Mutant("a weight stream begins amid a beat", "hw/gateware/traffic/weights.py",
           "with m.If(end):", "with m.If(0):", f"{_BLOCK}[weights in wide beats]"),
)

COMPUTE = (
    Mutant("an accumulator's upper half loses its sign", "hw/gateware/compute/requantise.py",
           "biased[16:].as_signed() * mult", "biased[16:] * mult",
           f"{_TESTS}/compute/test_requantise.py"),
    Mutant("a shift is that of the value behind", "hw/gateware/compute/requantise.py",
           "coarse.eq(shift_coarse(m, product, shift_3)), shift_4.eq(shift_3)]",
           "coarse.eq(shift_coarse(m, product, shift_2)), shift_4.eq(shift_3)]",
           f"{_TESTS}/compute/test_requantise.py"),
    Mutant("an input as small as epsilon is live", "hw/gateware/compute/live.py",
           "Mux(value < 0, -value, value) > vector.epsilon)",
           "Mux(value < 0, -value, value) >= vector.epsilon)",
           f"{_TESTS}/compute/test_live.py"),
    Mutant("an input that is the lowest number is dead", "hw/gateware/compute/live.py",
           "Mux(value < 0, -value, value) > vector.epsilon)",
           "Mux(value < 0, -value, value)[:7] > vector.epsilon)",
           f"{_TESTS}/compute/test_live.py"),
    Mutant("the first row is padding", "hw/gateware/compute/feeder.py",
           "inside.eq((at.iy >= 0) &", "inside.eq((at.iy > 0) &", f"{_BLOCK}[feeder]"),
    Mutant("padding at the right is the next row's first", "hw/gateware/compute/feeder.py",
           "(at.ix < cur.in_w)", "(at.ix <= cur.in_w)", f"{_BLOCK}[feeder]"),
    Mutant("a sum on its way for three cycles is lost", "hw/gateware/compute/accumulator.py",
           "Mux(forward_2, 2, Mux(forward_3, 3, early.bank))", "Mux(forward_2, 2, early.bank)",
           f"{_BLOCK}[accumulator]"),
    Mutant("a window's maximum begins with the last one's", "hw/gateware/compute/post.py",
           "with m.If(take & (item.first | (value < sample))):",
           "with m.If(take & (value < sample)):", f"{_BLOCK}[post]"),
    Mutant("pooling's padding is a row too thin", "hw/gateware/compute/windows.py",
           "(iy < insn.conv_h)", "(iy <= insn.conv_h)", f"{_BLOCK}[post]"),
    Mutant("a dead input block is one beside it", "hw/gateware/compute/dead.py",
           "self._dead.bit_select(after, 1)),", "self._dead.bit_select(number, 1)),",
           "tests/sim/test_zero_skip.py::"
           "test_a_dead_input_block_is_multiplied_for_the_first_output_block_alone[40-1-0]"),
    Mutant("a dead input block's vectors are padding", "hw/gateware/compute/feeder.py",
           "Mux(dead.skips, 0, cur.pad_value) if dead", "cur.pad_value if dead",
           "tests/sim/test_zero_skip.py::"
           "test_a_dead_input_block_is_multiplied_for_the_first_output_block_alone[40-0-7]"),
    Mutant("padding reads as what it is in the instruction behind",
           "hw/gateware/compute/feeder.py", "item.addr[:8], item.pad)",
           "cur.pad_value, item.pad)", f"{_BLOCK}[feeder]"),
    Mutant("a kernel's rows are neighbours", "hw/gateware/compute/vectors.py",
           "cur_kernel_row.eq(kernel_row)", "cur_kernel_row.eq(insn.in_w)", f"{_BLOCK}[feeder]"),
    Mutant("an offset is that of the word behind", "hw/gateware/compute/requantise.py",
           "OFFSET_AT = LIMITS_AT - 1", "OFFSET_AT = LIMITS_AT - 2", f"{_BLOCK}[post]"),
)

INSTANCE = (
    Mutant("a halt is over before the memory has answered", "hw/gateware/instance.py",
           "run.clean.eq((halted == _HALT_CYCLES) & ~outstanding.any)",
           "run.clean.eq(halted == _HALT_CYCLES)",
           "tests/sim/test_watchdog.py::test_who_halts_for_ever_moves_no_more"),
    Mutant("the write gate does not hear of a halt", "hw/gateware/instance.py",
           "writes.halt.eq(run.halting),", "writes.halt.eq(0),",
           "tests/sim/test_faults_in_flight.py::"
           "test_it_concerns_nobody_else_and_nothing_is_left_of_it[shared]"),
    Mutant("who halts is waited for", "hw/gateware/instance.py",
           "memory.alive.eq(run.running & ~run.halting)", "memory.alive.eq(1)",
           "tests/sim/test_stop.py::"
           "test_whoever_waits_for_another_is_stopped_and_the_other_goes_on"),
    Mutant("an error of a write is dropped", "hw/gateware/exchange.py",
           "refused.eq(memory.wr_ret_valid & memory.wr_ret_error)", "refused.eq(0)",
           "tests/sim/test_errors.py::"
           "test_an_error_response_of_the_memory_stops_the_instance_at_what_asked[pipelined]"),
    Mutant("a store outside the window is a load's", "hw/gateware/faults.py",
           "(writes, Opcode.STORE)):", "(writes, Opcode.LOAD)):", _ERRORS),
    Mutant("an error is of the instruction of a cycle later", "hw/gateware/faults.py",
           "                             _before(m, fault.layer, overflow | happens))",
           "                             fault.layer)", _ERRORS),
    Mutant("the array's error is that of what is read for it", "hw/gateware/micro/core.py",
           "_OF_ARRAY = ErrorCode.BAD_FIELD, ErrorCode.ACT_RANGE",
           "_OF_ARRAY = (ErrorCode.BAD_FIELD,)",
           "tests/sim/test_errors.py::test_the_microcoded_core_stops_with_the_same_code"),
    Mutant("tiles that do not fit are the walk's instruction's", "hw/gateware/compute/datapath.py",
           "Mux(array.mismatch, array.layer, feeder.layer))]", "feeder.layer)]",
           "tests/sim/test_bad_fields.py::"
           "test_the_instance_stops_where_it_is_wrong_and_stores_nothing"),
    Mutant("who halts for ever moves", "hw/gateware/progress.py",
           "(moved & ~run.halting) | outstanding.events", "moved | outstanding.events",
           "tests/sim/test_watchdog.py::test_who_halts_for_ever_moves_no_more"),
    Mutant("a window that ends with the memory is refused", "hw/gateware/signatures/ports.py",
           "end[top] & Cat(end[:top], rest).any()).any()", "end[top]).any()",
           "tests/sim/test_windows.py::test_a_window_that_ends_with_the_memory_is_one[pipelined]"),
    Mutant("a window that wraps is none to refuse", "hw/gateware/signatures/ports.py",
           "end[top] & Cat(end[:top], rest).any()).any()", "end[top] & rest.any()).any()",
           "tests/sim/test_windows.py::"
           "test_a_program_or_window_that_cannot_be_is_not_started[pipelined]"),
    Mutant("a wait for a bank counts for activations", "hw/gateware/causes.py",
           "with m.Elif(path.acc_wait):", "with m.Elif(0):",
           "tests/sim/test_causes.py::test_each_cycle_counts_for_its_cause"
           "[compute waits for banks]"),
    Mutant("a wait for the port counts for weights", "hw/gateware/causes.py",
           "Mux(port_wait, Cause.PORT, Cause.WEIGHTS)", "Cause.WEIGHTS",
           "tests/sim/test_causes.py::test_each_cycle_counts_for_its_cause"
           "[weights wait for the port]"),
    Mutant("cycles asleep are not counted", "hw/gateware/instance.py",
           "counters.slept.eq(control.slept),", "counters.slept.eq(0),",
           "tests/sim/test_doze.py::test_who_waits_long_counts_every_cycle_of_it"),
)
