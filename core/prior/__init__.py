# SPDX-License-Identifier: GPL-3.0-or-later
"""The diffusion transformer over latents."""
