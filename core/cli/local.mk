core_isthmus_SOURCES += %D%/cli.c %D%/table.c %D%/help.c %D%/lab.c %D%/plugin_word.c
