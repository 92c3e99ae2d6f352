"""The commands of ``python -m jobapp``, a module each.

Each offers ``add_to(commands, common)``, which adds its parser, and sets ``run`` to what performs it: a
function of the parsed arguments and the clock that returns the exit code.
"""
