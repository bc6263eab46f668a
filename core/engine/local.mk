# The engine: what differs from the world, and how it is made so.
core_isthmus_SOURCES += %D%/run.c %D%/loop.c %D%/tasks.c %D%/step.c %D%/plan.c %D%/apply.c %D%/destroy.c \
	%D%/verify.c %D%/watch.c %D%/journal.c %D%/planfile.c %D%/ask.c %D%/signals.c %D%/report.c
