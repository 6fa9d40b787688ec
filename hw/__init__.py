"""Hardware generator: configuration, instruction format and gateware."""

from hw.support.interrupts import end_while_starting

end_while_starting("hw")
