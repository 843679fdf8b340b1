# SPDX-License-Identifier: Apache-2.0
"""Will a consumer dispute a company's response to a complaint?"""
