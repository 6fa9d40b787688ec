"""Predicts cycles from a network and a configuration, without a simulation.

The compiler's operations run on a model of each unit; where zero inputs are skipped, as if none
were zero. What takes many cycles is not stepped through but flows: beats over the ports, shared
fairly among those that want them, and weights through the FIFO into the array. Time jumps from
one change of these rates to the next. Constants are pipeline latencies of the RTL; how many of
others' bursts a request finds before it, on average (`port`), is fitted to runs.

1. `work`      what an operation asks of its unit, in numbers
2. `clock`     events in order of time
3. `fifo`      what a port fills and an instance's array or LOAD unit empties
4. `storer`    an instance's STORE unit, which reads beside its array
5. `flow`      the beats of a transfer or a program
6. `shares`    how flows share a port, reads and writes in turn
7. `queueing`  how long a request waits for those before it
8. `port`      a memory port, and `memory` what is behind it
9. `loader`    an instance's LOAD unit, which waits for post-processing
10. `fetcher`  its WEIGHTS unit, which asks for one after the other
11. `array`    its array and post-processing
12. `program`  its program, read ahead
13. `instance` its dispatch, queues, tokens and transfers
14. `machine`  all of them together

`limits` is what no accelerator can be faster than.
"""
