# The engine: what differs from the world, and how it is made so.
core_isthmus_SOURCES += %D%/engine.h %D%/run.h %D%/run.c %D%/loop.c %D%/tasks.c %D%/step.c %D%/plan.c %D%/apply.c \
	%D%/destroy.c %D%/verify.c %D%/watch.h %D%/supervisor.h %D%/watch.c %D%/watch_control.c %D%/watch_metrics.c %D%/watch_notify.c \
	%D%/watch_page.c %D%/watch_read.c %D%/journal.c %D%/planfile.h %D%/planfile.c %D%/ask.c \
	%D%/signals.c %D%/report.c
