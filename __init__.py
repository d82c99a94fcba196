# SPDX-License-Identifier: GPL-3.0-or-later
"""Maquette: a sentence becomes a textured mesh in Blender.

Nothing is imported at module level: this package is also imported where Blender is absent, by
the command line and by pytest.
"""


def register() -> None:
    """Add Maquette's classes to Blender; called when the extension is enabled."""
    from . import operators, panels, translations

    translations.register()
    operators.register()
    panels.register()


def unregister() -> None:
    """Stop a running generation and remove everything that `register` added."""
    from . import operators, panels, translations

    panels.unregister()
    operators.unregister()
    translations.unregister()
