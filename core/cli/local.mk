core_isthmus_SOURCES += %D%/cli.c %D%/cli.h %D%/table.c %D%/help.c %D%/lab.c %D%/load.c %D%/plugin_word.c \
	%D%/validate.c
core_isthmus_SOURCES += %D%/cli.c %D%/table.c %D%/help.c %D%/lab.c %D%/plugin_word.c %D%/run.c %D%/state.c %D%/status.c
