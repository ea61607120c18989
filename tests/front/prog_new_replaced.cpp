// SPDX-License-Identifier: MIT
//
// prog_new.cpp in a program that replaces plain operator new and delete.
#define REPLACE_NEW
#include "prog_new.cpp"
