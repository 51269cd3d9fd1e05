"""worker/steps"""
