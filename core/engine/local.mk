# The engine: what differs from the world, and how it is made so.
core_isthmus_SOURCES += %D%/check.h %D%/check.c %D%/engine.h %D%/run.h %D%/run.c %D%/loop.c %D%/tasks.c %D%/step.c %D%/plan.c %D%/apply.c \
	%D%/destroy.c %D%/forget.c %D%/verify.c %D%/watch.h %D%/supervisor.h %D%/watch.c %D%/watch_control.c %D%/watch_metrics.c %D%/watch_notify.c \
	%D%/watch_page.c %D%/watch_read.c %D%/journal.c %D%/planfile.h %D%/planfile.c %D%/ask.c \
	%D%/signals.c %D%/report.c

# A unit for systemd: copied to /etc/systemd/system, or linked there with `systemctl link`.
unitdir = $(datadir)/isthmus
unit_DATA = core/engine/isthmus-watch@.service
EXTRA_DIST += %D%/isthmus-watch@.service.in
CLEANFILES += core/engine/isthmus-watch@.service
core/engine/isthmus-watch@.service: %D%/isthmus-watch@.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) core/engine && sed 's|@bindir[@]|$(bindir)|' $(srcdir)/core/engine/isthmus-watch@.service.in >$@-t && \
		mv $@-t $@
