"""Faults of what a board has around the accelerator."""

from .mutant import Mutant

__all__ = ["BOARD"]

_TESTS = "tests/boards/gateware"
_UART = f"{_TESTS}/test_uart.py"

BOARD = (
    Mutant("the link gets in amid another's bursts", "boards/gateware/memory.py",
           "with m.If(hold & (reads == 0) & (writes == 0)):", "with m.If(hold):",
           f"{_TESTS}/test_switch.py::test_the_second_waits_for_all_of_the_firsts_answers"),
    Mutant("the link gets in before writes are acknowledged", "boards/gateware/memory.py",
           "with m.If(hold & (reads == 0) & (writes == 0)):", "with m.If(hold & (reads == 0)):",
           f"{_TESTS}/test_switch.py::test_the_second_waits_for_all_of_the_firsts_answers"),
    Mutant("data passes before its address", "boards/gateware/memory.py",
           "may_write.eq(due + (first.awvalid & ~hold) > 0)",
           "may_write.eq(due + (first.awvalid & ~hold) >= 0)",
           f"{_TESTS}/test_switch.py::test_no_data_passes_before_its_address_or_is_withdrawn"),
    Mutant("data of a held address passes", "boards/gateware/memory.py",
           "may_write.eq(due + (first.awvalid & ~hold) > 0)",
           "may_write.eq(due + first.awvalid > 0)",
           f"{_TESTS}/test_switch.py::"
           "test_data_waits_with_its_address_where_that_is_held_back"),
    Mutant("a byte without a stop bit is one", "boards/gateware/uart.py",
           "m.d.comb += self.valid.eq(rx)", "m.d.comb += self.valid.eq(1)", _UART),
    Mutant("bits are looked at where they change", "boards/gateware/uart.py",
           "timer.eq(self._clocks // 2 - 1)]", "timer.eq(self._clocks - 1)]", _UART),
    Mutant("a glitch begins a byte", "boards/gateware/uart.py",
           "with m.Case(10), m.If(rx):", "with m.Case(10), m.If(0):", _UART),
    Mutant("a byte is sent with no stop bit", "boards/gateware/uart.py",
           "shift.eq(Cat(0, self.i.payload, 1)), bits.eq(10),",
           "shift.eq(Cat(0, self.i.payload, 1)), bits.eq(9),", _UART),
)
