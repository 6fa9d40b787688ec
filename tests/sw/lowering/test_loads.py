"""Which instances load together: what crosses a port once must be asked for by all in one order."""

from sw.iss.system import run_program
from sw.lowering.bands import in_bands
from sw.lowering.nodes import nodes_of
from sw.reference.golden import run_golden
from tests.support.present import same
from tests.support.recipes import Recipe

#: A fully connected layer in bands, of whose output blocks neighbours go through the bands there
#: and back.
BANDS = ("2x16x16-zeros seed=833320773 channels=14 rows=4 columns=6 dead=100 last_only=1 "
         "split=47476 conv kernel_h=3 pad_top=3 pad_value=127 dilation_h=2 out=11 offset=127 "
         "table=1 conv kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 pad_value=-128 pool_stride=2 "
         "out=13 dead=50 tiles rows=2 conv kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 "
         "pad_value=127 pool_stride=2 out=5 offset=127 dead=90 fc out=20 groups=5 offset=-3 "
         "table=1")


def test_pieces_of_several_reads_come_in_one_order_where_instances_share_them():
    recipe = Recipe.parse(BANDS)
    nodes = in_bands(nodes_of(recipe.graph), recipe.config)
    assert max(len(node.reads) for node in nodes) > 1
    image = recipe.inputs()[0][0]
    outputs, _ = run_program(recipe.program, image)
    assert same(outputs[-1], run_golden(recipe.graph, image)[-1])
