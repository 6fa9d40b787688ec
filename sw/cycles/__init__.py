"""Predicts cycles from a network and a configuration, without a simulation.

The compiler's operations run on a model of each unit; where zero inputs are skipped, as if none
were zero. What takes many cycles is not stepped through but flows: beats over the ports, shared
fairly among those that want them, and weights through the FIFO into the array. Time jumps from
one change of these rates to the next. The few constants are pipeline latencies of the RTL.

1. `work`      what an operation asks of its unit, in numbers
2. `clock`     events in order of time
3. `port`      a memory port and how its beats are shared
4. `fifo`      an instance's weight FIFO, and what the tile loader takes from it
5. `array`     an instance's array and post-processing
6. `instance`  its dispatch, queues, tokens and transfers
7. `machine`   all of them together

`limits` is what no accelerator can be faster than.
"""
