# One line a plugin: its folder's name.
