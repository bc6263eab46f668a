# Configuration: from files to a pipeline that is checked. Tests compile the same list.
CONFIG_SOURCES = %D%/alone.c %D%/coming.c %D%/command.c %D%/config.c %D%/diag.c %D%/diag.h %D%/digest.c %D%/evaluate.c %D%/inputs.c \
	%D%/internal.h %D%/node.c %D%/node.h %D%/order.c %D%/pipeline.c %D%/pipeline.h %D%/read.c %D%/reference.c \
	%D%/reference.h %D%/roles.c %D%/set.c %D%/show.c %D%/sources.c %D%/steps.h %D%/table.c
core_isthmus_SOURCES += $(CONFIG_SOURCES)
