// Digests and random words, against published values.
#include <isthmus/crypto.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// FIPS 180-2, B.1; and what has a NUL in it counts to its end.
static void sha256_is_what_the_standard_says(void **state)
{
    char text[65];
    (void)state;
    ist_sha256_text("abc", 3, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ist_sha256_text("", 0, text);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ist_sha256_text("a\0b", 3, text);
    assert_string_equal(text, "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138");
}

// RFC 7914, section 11: the first half of its 64 bytes is all of our 32.
static void the_slow_hash_is_pbkdf2(void **state)
{
    char text[65];
    (void)state;
    ist_slow_hash("passwd", "salt", 1, text);
    assert_string_equal(text, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    ist_slow_hash("Password", "NaCl", 80000, text);
    assert_string_equal(text, "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

static void random_words_have_their_length_and_differ(void **state)
{
    static const size_t counts[] = {0, 1, 16, 63, 64, 65, 200};
    char first[401], second[401];
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        memset(first, '-', sizeof first);
        ist_random_hex(counts[i], first);
        assert_int_equal(strlen(first), 2 * counts[i]);
        assert_int_equal(strspn(first, "0123456789abcdef"), 2 * counts[i]);
    }
    ist_random_hex(16, first);
    ist_random_hex(16, second);
    assert_string_not_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_is_what_the_standard_says),
        cmocka_unit_test(the_slow_hash_is_pbkdf2),
        cmocka_unit_test(random_words_have_their_length_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
