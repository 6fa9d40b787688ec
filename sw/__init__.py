"""Software: model capture, partitioning, quantisation, compiler, driver and reports."""

from hw.support.interrupts import end_while_starting

end_while_starting("sw")
