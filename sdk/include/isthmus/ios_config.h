// isthmus/ios_config.h: an IOS configuration as a tree, and the fewest commands from one to another.
//
// A running configuration has one space per level; sections end where the indentation does. Defaults are
// hidden, abbreviations expanded; some commands replace their predecessor (`ip address`), most accumulate.
// What this module knows of that is one table in sdk/lib/ios/rules.c.
#ifndef ISTHMUS_IOS_CONFIG_H
#define ISTHMUS_IOS_CONFIG_H

#include <isthmus/ios.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ist_ios_config ist_ios_config;

#define IST_IOS_MAX_DEPTH 8
#define IST_IOS_MAX_LINES 200000

// Parses `show running-config` or lines as a person writes them. Left out: blank and "!" lines, "Building
// configuration", "Current configuration :", "Last configuration change", "version", "end", "ntp
// clock-period". Lines are normalised (ist_ios_normalise). A secret in a wanted configuration is written
// between two IST_IOS_SECRET characters: "pre-shared-key \001abc\001".
#define IST_IOS_SECRET '\001'
IST_EXPORT int32_t ist_ios_config_parse(const char *text, size_t len, ist_ios_config **config,
                                        ist_error *err);
IST_EXPORT void ist_ios_config_free(ist_ios_config *config);
// Prints it as a running configuration; secrets as "<secret>" when redact is 1. The caller's.
IST_EXPORT char *ist_ios_config_text(const ist_ios_config *config, int redact);
// A line by its path, NULL-terminated: {"interface Tunnel0", "ip address 10.250.0.9 255.255.255.0", NULL}.
// 1 when it is there.
IST_EXPORT int32_t ist_ios_config_has(const ist_ios_config *config, const char *const *path);
// The rest of the first line below `section` (NULL: top level) that begins with `prefix`; borrowed or NULL.
IST_EXPORT const char *ist_ios_config_value(const ist_ios_config *config, const char *section,
                                            const char *prefix);

// "int tu0" -> "interface Tunnel0", double spaces out, known abbreviations out. The caller's.
IST_EXPORT char *ist_ios_normalise(const char *line);

// Can a secret that a device shows be compared? `type` is its encoding: 0 clear, 5 8 9 hashes, 6 AES, 7
// reversible.
typedef struct ist_ios_shown_secret {
    const char *line;   // "crypto ikev2 keyring DMVPN / peer HUB / pre-shared-key", the secret cut
    const char *wanted; // clear
    int type;
    const char *shown; // as the device prints it
} ist_ios_shown_secret;

typedef struct ist_ios_diff_options {
    uint32_t size;
    // Asked for types 5, 6, 8 and 9 only: 1 the same, 0 not or not known. NULL: never the same.
    int32_t (*same_secret)(void *arg, const ist_ios_shown_secret *secret);
    void *arg;
    // Sections (their head lines, normalised; a trailing "*" matches the rest) that belong to the caller
    // whole: lines in them that are not wanted are removed; so is a section that matches and is not wanted at
    // all. Elsewhere lines are only added or replaced. NULL-terminated; NULL: none.
    const char *const *owned;
    // Lines inside owned sections that are left alone (prefixes), NULL-terminated; NULL: none.
    const char *const *keep;
} ist_ios_diff_options;

// One command of a difference, in the order in which IOS wants them. `exit` lines are among them.
#define IST_IOS_ADD    1u
#define IST_IOS_REMOVE 2u
#define IST_IOS_ENTER  3u // a section's head, entered to change what is in it
#define IST_IOS_EXIT   4u
typedef struct ist_ios_step {
    char *text;   // as sent
    char *shown;  // the secret cut
    char *path;   // "interface Tunnel0 / ip nhrp shortcut": where it belongs, the secret cut
    char *before; // for IST_IOS_ADD that replaces: what was there, the secret cut; else NULL
    uint32_t kind;
} ist_ios_step;
typedef struct ist_ios_diff {
    ist_ios_step *steps; // owned by the diff
    size_t count;
} ist_ios_diff;

IST_EXPORT int32_t ist_ios_config_diff(const ist_ios_config *running, const ist_ios_config *wanted,
                                       const ist_ios_diff_options *options, ist_ios_diff *diff,
                                       ist_error *err);
IST_EXPORT void ist_ios_diff_free(ist_ios_diff *diff); // its content; NULL and zeroed are fine

// Cisco's reversible type 7. decode: 0, or IST_ERR_INPUT when `text` is none; clear has room for strlen/2.
IST_EXPORT int32_t ist_ios_type7_decode(const char *text, char *clear, size_t room);

#ifdef __cplusplus
}
#endif
#endif
