// A catalog of made-up plugins, for tests of the configuration.
#ifndef TESTS_UNIT_FAKE_CATALOG_H
#define TESTS_UNIT_FAKE_CATALOG_H

#include "host/catalog.h"

// Plugins: "net" (outputs id, routes, secret token), "router" (of the role dmvpn-endpoint) and "app" (lists and maps of
// objects).
struct catalog *fake_catalog(void);

#endif
