/* assets.h - the dashboard's files, put into the program at build time. */
#ifndef WEIR_API_ASSETS_H
#define WEIR_API_ASSETS_H

#include <stddef.h>

struct weir_asset {
    const char *name; /* "app.js" */
    const char *type; /* a Content-Type */
    const unsigned char *bytes;
    size_t n;
};

extern const struct weir_asset weir_assets[];
extern const size_t weir_asset_count;

#endif
