"""A fleet of workers that is deployed anew, by simulation: what its clients and workers see.

The waiting times are the library's own: the simulated workers send its farewells and its refusals,
and the simulated browsers read them with its decoder. The costs are figures that were measured.
"""
