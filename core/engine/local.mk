# The engine: what differs from the world, and how it is made so.
core_isthmus_SOURCES += %D%/engine.h %D%/run.h %D%/run.c %D%/loop.c %D%/tasks.c %D%/step.c %D%/plan.c %D%/apply.c \
	%D%/destroy.c %D%/verify.c %D%/watch.h %D%/watch.c %D%/journal.c %D%/planfile.h %D%/planfile.c %D%/ask.c \
	%D%/signals.c %D%/report.c
