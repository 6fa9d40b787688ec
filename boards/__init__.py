"""Board definitions and flows."""

from hw.support.interrupts import end_while_starting

end_while_starting("boards")
