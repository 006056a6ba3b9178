/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unit - the main() of a unit test: a table of cases, run by CUnit, closing with CUnit's own summary. One program per
 * module or group of small ones. A case takes nothing and uses CU_ASSERT_*.
 *
 *     static const struct unit_case cases[] = {{"what must be true", test_x}, …};
 *     UNIT_MAIN("buf", cases)
 */
#ifndef TIDEMARK_TESTS_UNIT_H
#define TIDEMARK_TESTS_UNIT_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stdlib.h>

struct unit_case {
        const char *name;
        void (*run)(void);
};

static inline int unit_run(const char *suite, const struct unit_case *cases, size_t n)
{
        CU_pSuite s;
        unsigned failed;

        if (CU_initialize_registry() != CUE_SUCCESS)
                return EXIT_FAILURE;
        s = CU_add_suite(suite, NULL, NULL);
        for (size_t i = 0; s && i < n; i++)
                if (!CU_add_test(s, cases[i].name, cases[i].run))
                        s = NULL;
        if (!s) {
                CU_cleanup_registry();
                return EXIT_FAILURE;
        }
        CU_basic_set_mode(CU_BRM_VERBOSE);
        CU_basic_run_tests();
        failed = CU_get_number_of_failures();
        if (CU_get_number_of_tests_run() != n)
                failed++;
        CU_cleanup_registry();
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_MAIN(suite, cases)                                                                                        \
        int main(void)                                                                                                 \
        {                                                                                                              \
                return unit_run(suite, cases, sizeof(cases) / sizeof((cases)[0]));                                     \
        }

#endif
