"""Simulation: the RTL in Verilator behind the driver's backend interface."""

from hw.support.interrupts import end_while_starting

end_while_starting("sim")
