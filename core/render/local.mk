# The one boundary where anything leaves. Tests compile the same list.
RENDER_SOURCES = %D%/redact.c %D%/render.c %D%/text.c %D%/progress.c
core_isthmus_SOURCES += $(RENDER_SOURCES)
