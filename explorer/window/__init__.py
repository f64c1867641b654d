"""The window around the pages: rail, menus, status line, and who hears of what."""
