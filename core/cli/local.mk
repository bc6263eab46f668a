core_isthmus_SOURCES += %D%/cli.c %D%/cli.h %D%/table.c %D%/help.c %D%/lab.c %D%/load.c %D%/plugin_word.c \
	%D%/validate.c %D%/run.c %D%/state.c %D%/state.h %D%/status.c
core_isthmus_SOURCES += %D%/plugin_use.c %D%/plugin_use.h %D%/plugin_run.c %D%/plugin_show.c
