# The state: one small interface, SQLite behind it. Tests compile the same list.
STATE_SOURCES = %D%/store.h %D%/sqlite.h %D%/sqlite.c %D%/migrate.c %D%/lock.c %D%/steps.c %D%/journal.c %D%/runs.c \
	%D%/transfer.c
core_isthmus_SOURCES += $(STATE_SOURCES)
