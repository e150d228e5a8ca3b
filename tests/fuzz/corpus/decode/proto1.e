e

