"""The order of the flow, and what to say to those who leave out a step.

    torch module -> capture -> FloatGraph -> quantise -> IntegerGraph -> compile_graph -> Program
"""

__all__ = ["FlowError", "expect"]

# Each stage's type, and the call that makes it of the one before.
_STAGES = {"Module": "", "FloatGraph": "capture(module, in_shape)",
           "IntegerGraph": "quantise(graph, images)", "Program": "compile_graph(graph, config)"}
_OTHERS = {"Config": "a configuration comes from Config(...) or sw.api.PRESETS[name]",
           "PartitionPlan": "partition(graph, names, partitions) makes one"}


class FlowError(TypeError):
    """A call that was given the object of another step; the message says which call is missing."""


def expect(value: object, kind: type, function: str) -> None:
    """Raise FlowError unless a step of the flow is given what it takes.

    Parameters
    ----------
    value : object
    kind : type
        What the step takes.
    function : str
        The step's name.

    Raises
    ------
    FlowError
        Naming the step, the type that it got, and the call that makes the right one.
    """
    if isinstance(value, kind):
        return
    given = type(value).__name__
    raise FlowError(f"{function} takes {_article(kind.__name__)}, not {_article(given)}: "
                    + _remedy(value, kind.__name__))


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _remedy(value: object, wanted: str) -> str:
    if wanted in _OTHERS:
        return _OTHERS[wanted]
    stages = list(_STAGES)
    at = next((stages.index(c.__name__) for c in type(value).__mro__ if c.__name__ in _STAGES), -1)
    goal = stages.index(wanted)
    if at > goal:
        return f"that step is done; give it the {wanted} from before"
    if goal == 0:
        return "a network is an instance of torch.nn.Module"
    calls = [_STAGES[stage] for stage in stages[max(at, 0) + 1:goal + 1]]
    return f"call {', then '.join(calls)}"
