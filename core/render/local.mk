# The one boundary where anything leaves. Tests compile the same list.
RENDER_SOURCES = %D%/render.h %D%/internal.h %D%/redact.h %D%/redact.c %D%/render.c %D%/text.c %D%/checks.c %D%/ways.c \
	%D%/progress.c
core_isthmus_SOURCES += $(RENDER_SOURCES)
