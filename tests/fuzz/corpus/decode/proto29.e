e

