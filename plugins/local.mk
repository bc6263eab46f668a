# One line a plugin: its folder's name.
include plugins/test-file/local.mk
